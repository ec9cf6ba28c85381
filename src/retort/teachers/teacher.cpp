#include "retort/teachers/teacher.h"

#include "retort/base/error.h"

namespace retort {
namespace {

const std::vector<std::string>& access_names() {
  static const std::vector<std::string> names = {"none", "text", "hard_labels", "topk", "logits", "features", "weights"};
  return names;
}

}  // namespace

std::string to_string(Access access) { return access_names()[static_cast<size_t>(access)]; }

Access access_from(const std::string& name) {
  const auto& names = access_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<Access>(found - names.begin());
  const std::string nearest = nearest_name(name, names);
  throw ConfigError(fmt::format("no access level is called '{}'", name),
                    nearest.empty() ? fmt::format("levels are {}", fmt::join(names, " < ")) : fmt::format("did you mean '{}'?", nearest));
}

std::vector<int64_t> Teacher::tap_shape(const std::string& name) const {
  throw AccessError(fmt::format("feature '{}' was asked for; the teacher ({}) shows {}", name, about(), to_string(access())),
                    "take a teacher that shows features, such as a net trained by retort");
}

void require_access(const Teacher& teacher, Access needed, const std::string& what) {
  if (teacher.access() >= needed) return;
  throw AccessError(
      fmt::format("{} needs {}; the teacher ({}) shows {}", what, to_string(needed), teacher.about(), to_string(teacher.access())),
      fmt::format("take a teacher that shows more, or a method that needs no more than {}: retort methods --access {}",
                  to_string(teacher.access()), to_string(teacher.access())));
}

Access access_for(const Wanted& wanted) {
  if (!wanted.features.empty()) return Access::features;
  if (wanted.logits) return Access::logits;
  if (wanted.topk > 0) return Access::topk;
  return wanted.labels ? Access::hard_labels : Access::none;
}

Tensor spread_topk(const Tensor& values, const Tensor& indices, const Tensor& tail, int64_t classes) {
  const auto others = static_cast<double>(std::max<int64_t>(classes - values.size(1), 1));
  return (tail - std::log(others)).unsqueeze(1).expand({values.size(0), classes}).scatter(1, indices, values);
}

std::string with_commas(int64_t number) {
  std::string digits = std::to_string(number);
  const int64_t first = digits[0] == '-' ? 1 : 0;
  for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > first; at -= 3) digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

}  // namespace retort
