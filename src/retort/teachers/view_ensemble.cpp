#include "retort/teachers/view_ensemble.h"

#include "retort/data/transforms.h"
#include "retort/teachers/kept_answers.h"
#include "retort/teachers/past_self.h"

namespace retort {
namespace {

class ViewEnsembleTeacher final : public Teacher {
 public:
  ViewEnsembleTeacher(std::unique_ptr<Teacher> inner, const ViewKnobs& knobs, const InputSpec& spec, Seed seed)
      : inner_(std::move(inner)), knobs_(knobs), spec_(spec), seed_(seed), answers_(inner_->classes()) {}

  Access access() const override { return std::min(inner_->access(), Access::logits); }
  int64_t classes() const override { return inner_->classes(); }
  bool live() const override { return inner_->live(); }
  std::string about() const override { return fmt::format("{}, averaged over {} views", inner_->about(), knobs_.crops); }

  Signals ask(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted) override {
    require_access(*this, access_for(wanted), "the question");
    if (!repeats) return inner_->ask(ids, inputs, repeats, wanted);
    const Tensor known = answers_.known(ids);
    for (int64_t i = 0; i < ids.size(0); ++i)
      if (!known[i].item<bool>()) answers_.update(ids.narrow(0, i, 1), answer(ids[i].item<int64_t>(), inputs.narrow(0, i, 1)));
    Signals said;
    said.logits = answers_.lookup(ids, at::empty({ids.size(0), classes()}, inputs.options()));
    return derive(std::move(said), wanted);
  }

 private:
  std::unique_ptr<Teacher> inner_;
  ViewKnobs knobs_;
  InputSpec spec_;
  Seed seed_;
  PredictionBank answers_;  // log-probabilities

  // All views of one sample are one question, so that its answer owes nothing to the company it came in.
  Tensor answer(int64_t id, const Tensor& clean) {
    const Tensor views = at::arange(knobs_.crops, at::kLong);
    std::vector<int64_t> shape = clean.sizes().vec();
    shape[0] = knobs_.crops;
    const Tensor seen = random_views(clean.cpu().expand(shape).contiguous(), views, knobs_, spec_,
                                     seed_.stream("sample", static_cast<uint64_t>(id)));
    Wanted wanted;
    wanted.logits = true;
    const Tensor logits = inner_->ask(views, seen.to(clean.device()), /*repeats=*/false, wanted).logits;
    return at::log_softmax(logits, 1).logsumexp(0, /*keepdim=*/true) - std::log(static_cast<double>(knobs_.crops));
  }
};

}  // namespace

std::unique_ptr<Teacher> view_ensemble_teacher(std::unique_ptr<Teacher> inner, const ViewKnobs& knobs, const InputSpec& spec, Seed seed) {
  require_access(*inner, Access::logits, "views.policy = \"fixed-ensemble\"");
  return std::make_unique<ViewEnsembleTeacher>(std::move(inner), knobs, spec, seed);
}

}  // namespace retort
