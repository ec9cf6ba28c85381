#include "retort/base/error.h"
#include "retort/teachers/kept_answers.h"

namespace retort {
namespace {

class NetTeacher final : public Teacher {
 public:
  NetTeacher(const Net& net, Access shown, int64_t keep_bytes) : net_(net.frozen()), shown_(shown), answers_(keep_bytes) {}

  Access access() const override { return shown_; }
  int64_t classes() const override { return net_.outputs(); }
  std::string about() const override {
    return fmt::format("{}, {} parameters", net_.spec().value("arch", std::string("net")), with_commas(net_.param_count()));
  }
  std::vector<std::string> tap_names() const override { return shown_ >= Access::features ? net_.tap_names() : std::vector<std::string>{}; }
  std::vector<int64_t> tap_shape(const std::string& name) const override {
    return shown_ >= Access::features ? net_.tap_shape(name) : Teacher::tap_shape(name);
  }
  const Net* net() const override { return shown_ >= Access::weights ? &net_ : nullptr; }

  void serve(const Dataset& data) override { answers_.serve(data); }
  Signals ask(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted) override {
    require_access(*this, access_for(wanted), "the question");
    return answers_.answer(ids, inputs, repeats, wanted, [this](const Tensor& x, bool, const std::vector<std::string>& features) {
      Taps taps{features, {}};
      Signals said;
      said.logits = net_.forward(x.detach().to(net_.params().front().device()), features.empty() ? nullptr : &taps);
      said.features = std::move(taps.found);
      return said;
    });
  }

 private:
  Net net_;
  Access shown_;
  KeptAnswers answers_;
};

}  // namespace

std::unique_ptr<Teacher> net_teacher(const Net& net, Access shown, int64_t keep_bytes) {
  if (shown < Access::hard_labels) {
    throw ConfigError(fmt::format("a classifier cannot show '{}'", to_string(shown)),
                      "it shows hard_labels, topk, logits, features or weights");
  }
  return std::make_unique<NetTeacher>(net, shown, keep_bytes);
}

}  // namespace retort
