#include "retort/base/error.h"
#include "retort/teachers/kept_answers.h"

namespace retort {
namespace {

// "1:stage3" -> member 1, tap "stage3".
std::pair<size_t, std::string> member_tap(const std::string& name, size_t members) {
  const size_t colon = name.find(':');
  size_t member = 0;
  const bool numbered = colon != std::string::npos && colon > 0 && colon < 7 &&
                        std::all_of(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(colon),
                                    [](char c) { return c >= '0' && c <= '9'; });
  if (numbered) member = std::stoul(name.substr(0, colon));
  if (!numbered || member >= members) {
    throw ConfigError(fmt::format("no feature of the ensemble is called '{}'", name),
                      fmt::format("write MEMBER:TAP with a member from 0 to {}, as in 0:embedding", members - 1));
  }
  return {member, name.substr(colon + 1)};
}

class EnsembleTeacher final : public Teacher {
 public:
  EnsembleTeacher(std::vector<std::unique_ptr<Teacher>> members, std::vector<double> weights, bool average_logits)
      : members_(std::move(members)), weights_(std::move(weights)), average_logits_(average_logits) {}

  Access access() const override {
    Access least = Access::features;
    for (const auto& member : members_) least = std::min(least, member->access());
    return least == Access::topk ? Access::hard_labels : least;  // the largest of each do not give the largest of the mean
  }
  int64_t classes() const override { return members_.front()->classes(); }
  std::string about() const override {
    std::vector<std::string> names;
    for (const auto& member : members_) names.push_back(member->about());
    return fmt::format("ensemble of {}: {}", members_.size(), fmt::join(names, "; "));
  }
  bool live() const override {
    return std::all_of(members_.begin(), members_.end(), [](const auto& member) { return member->live(); });
  }
  std::vector<std::string> tap_names() const override {
    std::vector<std::string> names;
    if (access() < Access::features) return names;
    for (size_t i = 0; i < members_.size(); ++i) {
      for (const std::string& tap : members_[i]->tap_names()) names.push_back(fmt::format("{}:{}", i, tap));
    }
    return names;
  }
  std::vector<int64_t> tap_shape(const std::string& name) const override {
    if (access() < Access::features) return Teacher::tap_shape(name);
    const auto [member, tap] = member_tap(name, members_.size());
    return members_[member]->tap_shape(tap);
  }

  void serve(const Dataset& data) override {
    for (const auto& member : members_) member->serve(data);
  }
  Signals ask(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted) override {
    require_access(*this, access_for(wanted), "the question");
    const bool logits = wanted.logits || wanted.labels || wanted.topk > 0, vote = logits && access() < Access::logits;
    std::vector<Wanted> questions(members_.size());
    for (const std::string& name : wanted.features) {
      auto [member, tap] = member_tap(name, members_.size());
      questions[member].features.push_back(std::move(tap));
    }
    Signals said;
    std::vector<Tensor> terms;
    for (size_t i = 0; i < members_.size(); ++i) {
      if (!logits && questions[i].features.empty()) continue;
      (vote ? questions[i].labels : questions[i].logits) = logits;
      Signals answer = members_[i]->ask(ids, inputs, repeats, questions[i]);
      if (vote)
        terms.push_back(at::one_hot(answer.labels, classes()).to(at::kFloat) * weights_[i]);
      else if (logits)
        terms.push_back(average_logits_ ? answer.logits * weights_[i] : at::log_softmax(answer.logits, 1) + std::log(weights_[i]));
      if (wanted.members && answer.logits.defined()) said.members.push_back(answer.logits);
      for (auto& [tap, value] : answer.features) said.features[fmt::format("{}:{}", i, tap)] = std::move(value);
    }
    if (logits) {
      const Tensor all = at::stack(terms);
      said.logits = vote || average_logits_ ? all.sum(0) : all.logsumexp(0);  // log sum_i w_i softmax(z_i)
    }
    return derive(std::move(said), wanted);
  }

 private:
  std::vector<std::unique_ptr<Teacher>> members_;
  std::vector<double> weights_;  // positive or zero, sum 1
  bool average_logits_;
};

}  // namespace

std::unique_ptr<Teacher> ensemble_teacher(std::vector<std::unique_ptr<Teacher>> members, std::vector<double> weights, bool average_logits) {
  if (members.empty()) throw ConfigError("an ensemble needs at least one teacher", "name its members");
  for (const auto& member : members) {
    if (member->classes() == members.front()->classes()) continue;
    throw ConfigError(fmt::format("teachers of an ensemble must know the same classes: '{}' has {}, '{}' has {}", members.front()->about(),
                                  members.front()->classes(), member->about(), member->classes()),
                      "leave one of them out, or train them on the same data set");
  }
  if (weights.empty()) weights.assign(members.size(), 1);
  double total = 0;
  for (const double weight : weights) total += weight >= 0 && std::isfinite(weight) ? weight : std::nan("");
  if (weights.size() != members.size() || !(total > 0)) {
    throw ConfigError(fmt::format("the weights [{}] do not fit an ensemble of {}", fmt::join(weights, ", "), members.size()),
                      "give one number at least 0 for each member, not all 0");
  }
  for (double& weight : weights) weight /= total;
  return std::make_unique<EnsembleTeacher>(std::move(members), std::move(weights), average_logits);
}

}  // namespace retort
