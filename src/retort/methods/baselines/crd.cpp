// Contrastive distillation: of a sample and many others, the student's embedding must single out the teacher's.  Tian et al. 2020, arXiv 1910.10699
#include "retort/methods/baselines/crd.h"

#include <optional>

#include "retort/base/error.h"
#include "retort/losses/contrastive.h"
#include "retort/train/memory_bank.h"
#include "retort/train/projector.h"

namespace retort::baselines {

struct CrdKnobs {
  double weight = 0.8, tau = 0.07, momentum = 0.5;
  int64_t k = 16384, dim = 128;
  std::string mode = "exact", student_layer = "embedding", teacher_layer = "embedding";
  void describe(Knobs& knobs) {
    knobs("weight", weight, "weight of the contrastive loss, both sides together", at_least(0));
    knobs("k", k, "negatives a sample; capped at the samples of other classes", at_least(1));
    knobs("tau", tau, "temperature of the scores", above(0));
    knobs("momentum", momentum, "share of an old embedding that stays in the memory at a visit", between(0, 1));
    knobs("dim", dim, "width of the embeddings; the memory holds 2 * samples * dim numbers", at_least(1));
    knobs("mode", mode, "the positive: exact, the sample itself; relax, a random sample of its class", one_of({"exact", "relax"}));
    knobs("student_layer", student_layer, "tap of the student");
    knobs("teacher_layer", teacher_layer, "tap of the teacher");
  }
};

// CE + weight * (student side + teacher side).
class CrdObjective : public Objective {
 public:
  explicit CrdObjective(const CrdKnobs& knobs) : knobs_(knobs) {}

  std::vector<std::string> student_taps() const override { return {knobs_.student_layer}; }
  Wanted wanted() const override {
    Wanted wanted;
    wanted.features = {knobs_.teacher_layer};
    return wanted;
  }

  void setup(Trainer& trainer) override {
    if (trainer.job().views.mixes()) {
      throw ConfigError(trainer.run().recipe.where("views.mixup") + ": views.mixup: kd.crd remembers whole samples, not mixtures",
                        "set views.mixup = 0");
    }
    const Seed seed = trainer.seed().stream("crd");
    student_ = linear_embedding(trainer.student().tap_shape(knobs_.student_layer), knobs_.dim, seed.stream("student"));
    teacher_ = linear_embedding(trainer.teacher()->tap_shape(knobs_.teacher_layer), knobs_.dim, seed.stream("teacher"));
    trainer.learn("embedding.student", student_);
    trainer.learn("embedding.teacher", teacher_);
    bank_.emplace(trainer.data().ids, trainer.data().labels, MemoryPlan{knobs_.dim, knobs_.k, knobs_.momentum, knobs_.mode == "relax"},
                  seed);
    bank_->to(trainer.run().device);
  }

  Loss loss(const Step& step) override {
    const Tensor student = student_.forward(step.taps.at(knobs_.student_layer)),
                 teacher = teacher_.forward(step.teacher.features.at(knobs_.teacher_layer));
    const Tensor rows = bank_->rows_of(step.batch.ids);
    const Tensor drawn = bank_->draw(rows, step.trainer.seed().stream("negatives", step.step)).to(student.device());
    const ProcessGroup& group = step.trainer.run().group;
    const Tensor contrast = side(group, student, bank_->teacher(), drawn, student_normaliser_) +
                            side(group, teacher, bank_->student(), drawn, teacher_normaliser_);
    visit_ = {rows, student.detach(), teacher.detach()};
    return Loss().add("ce", label_loss(step)).add("contrast", contrast, knobs_.weight);
  }

  // Not before the step is done: the gradient still reads the memory.
  void after_step(const Step& step) override { bank_->refresh(step.trainer.run().group, visit_.rows, visit_.student, visit_.teacher); }

  State state() const override {
    State state;
    state.put("memory", bank_->state());
    state.values = {{"student_normaliser", student_normaliser_}, {"teacher_normaliser", teacher_normaliser_}};
    return state;
  }
  void load(const State& state) override {
    bank_->load(state.take("memory"));
    student_normaliser_ = state.values.at("student_normaliser");
    teacher_normaliser_ = state.values.at("teacher_normaliser");
  }

 private:
  CrdKnobs knobs_;
  Net student_, teacher_;  // the embeddings
  std::optional<MemoryBank> bank_;
  double student_normaliser_ = 0, teacher_normaliser_ = 0;  // 0 until the first batch
  struct {
    Tensor rows, student, teacher;
  } visit_;

  Tensor side(const ProcessGroup& group, const Tensor& embeddings, const Tensor& memory, const Tensor& drawn, double& normaliser) const {
    const Tensor similarities = losses::memory_similarities(embeddings, memory, drawn);
    if (normaliser == 0) {
      Tensor first = at::full({1}, losses::contrastive_normaliser(similarities, knobs_.tau, bank_->size()), at::kDouble);
      group.all_reduce_mean(first);
      normaliser = first.item<double>();
    }
    return losses::contrastive_loss(similarities, knobs_.tau, normaliser, bank_->size());
  }
};

Method crd() {
  return classifier_method<CrdKnobs>(MethodInfo("kd.crd")
                                         .in("baselines")
                                         .needs(Access::features)
                                         .idea("tell the teacher's embedding of a sample from those of others, by the student's")
                                         .source("Tian et al. 2020, arXiv 1910.10699"),
                                     [](const CrdKnobs& knobs) { return std::make_unique<CrdObjective>(knobs); });
}

}  // namespace retort::baselines
