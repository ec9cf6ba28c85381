#include "retort/methods/self/pskd.h"

#include <optional>

#include "retort/base/error.h"
#include "retort/losses/soft_targets.h"
#include "retort/teachers/past_self.h"

namespace retort::self {

double refinement_share(double alpha, int64_t epoch, int64_t epochs) {
  return alpha * static_cast<double>(epoch) / static_cast<double>(epochs);
}

Tensor gradient_rescaling(const Tensor& past, const Tensor& now, double share) { return 1 - share * (1 - past) / (1 - now); }

namespace {

struct PskdKnobs {
  double alpha_T = 0.8, smoothing = 0;
  std::string memory = "bank", ramp = "linear";
  int64_t bank_megabytes = 1024;
  void describe(Knobs& knobs) {
    knobs("alpha_T", alpha_T,
          "share of the model's own past in the target at the last epoch; lower it where training is short or the model small: too much "
          "makes it unsure",
          between(0, 1));
    knobs("memory", memory,
          "bank: what was said of each sample at its last visit; snapshot: last epoch's weights asked about the present view",
          one_of({"bank", "snapshot"}));
    knobs("ramp", ramp, "linear: the share grows with the epochs; constant: it is alpha_T from the second epoch on",
          one_of({"linear", "constant"}));
    knobs("smoothing", smoothing, "label smoothing of the labels' share", between(0, 1));
    knobs("bank_megabytes", bank_megabytes, "the most memory a bank may take", at_least(1));
  }
};

// Sums over the late epochs for the hard-example statistic: what the target class's gradient was with softened targets and without, per sample.
class HardExamples {
 public:
  void add(const Tensor& ids, const Tensor& past, const Tensor& now, double share, bool late) {
    const Tensor gap = (1 - now).to(at::kDouble).cpu().contiguous(), softened = gap - share * (1 - past).to(at::kDouble).cpu();
    const Tensor list = ids.cpu().contiguous();
    for (int64_t i = 0; i < list.numel(); ++i) {
      const auto row = static_cast<size_t>(rows_.add(list.data_ptr<int64_t>()[i]));
      if (row >= sums_.size()) sums_.resize(row + 1);
      sums_[row][0] += gap.data_ptr<double>()[i];
      if (!late) continue;
      sums_[row][1] += gap.data_ptr<double>()[i];
      sums_[row][2] += softened.data_ptr<double>()[i];
    }
  }

  // Gradient with softened targets over gradient without, summed over the easier and the harder half of the samples (by their mean 1 - p_y over
  // the whole training); 1 without late epochs.
  std::pair<double, double> easy_and_hard() const {
    auto sorted = sums_;
    std::sort(sorted.begin(), sorted.end());
    const auto ratio = [&](size_t first, size_t last) {
      double plain = 0, softened = 0;
      for (size_t i = first; i < last; ++i) plain += sorted[i][1], softened += sorted[i][2];
      return plain > 0 ? softened / plain : 1;
    };
    return {ratio(0, sorted.size() / 2), ratio(sorted.size() / 2, sorted.size())};
  }

  State state() const {
    State state;
    state.tensors["ids"] = at::tensor(rows_.ids(), at::kLong);
    Tensor sums = at::zeros({static_cast<int64_t>(sums_.size()), 3}, at::kDouble);
    for (size_t i = 0; i < sums_.size(); ++i) std::copy(sums_[i].begin(), sums_[i].end(), sums.data_ptr<double>() + 3 * i);
    state.tensors["sums"] = sums;
    return state;
  }
  void load(const State& state) {
    const Tensor ids = state.tensor("ids").contiguous(), sums = state.tensor("sums").contiguous();
    *this = {};
    for (int64_t i = 0; i < ids.numel(); ++i) {
      rows_.add(ids.data_ptr<int64_t>()[i]);
      const double* at = sums.data_ptr<double>() + 3 * i;
      sums_.push_back({at[0], at[1], at[2]});
    }
  }

 private:
  IdTable rows_;
  std::vector<std::array<double, 3>> sums_;  // 1 - p_y always; the same late; softened, late
};

class PskdObjective : public Objective {
 public:
  explicit PskdObjective(const PskdKnobs& knobs) : knobs_(knobs) {}

  void setup(Trainer& trainer) override {
    const Recipe& recipe = trainer.run().recipe;
    const int64_t rows = trainer.data().size(), classes = trainer.student().outputs(), room = knobs_.bank_megabytes << 20;
    if (knobs_.memory == "snapshot") {
      snapshot_.emplace(trainer.student());
      return;
    }
    const std::string way_out = "set knobs.memory = \"snapshot\", which asks last epoch's weights about the present view";
    if (trainer.job().views.mixes()) {
      throw ConfigError(recipe.where("views.mixup") + ": views.mixup: a bank remembers single samples, not mixtures", way_out);
    }
    if (rows * classes * static_cast<int64_t>(sizeof(float)) > room) {
      throw ConfigError(fmt::format("{}: knobs.bank_megabytes: a bank of {} samples x {} classes takes more than {} MB",
                                    recipe.where("knobs.bank_megabytes"), rows, classes, knobs_.bank_megabytes),
                        way_out);
    }
    bank_.emplace(classes, room);
  }

  // What the weights say at the end of an epoch is the past of the next one.
  void end_epoch(Trainer& trainer, int64_t) override {
    if (snapshot_) snapshot_->take(trainer.student());
  }

  Loss loss(const Step& step) override {
    share_ = step.epoch == 0             ? 0
             : knobs_.ramp == "constant" ? knobs_.alpha_T
                                         : refinement_share(knobs_.alpha_T, step.epoch + 1, step.epochs);
    if (share_ == 0 && knobs_.smoothing == 0) return Loss().add("ce", label_loss(step));
    Tensor target = given(step.batch, step.logits.size(1));
    if (share_ > 0) {
      past_ = past(step.batch, target);
      target = losses::mixed_distribution(target, past_, share_);
    }
    return Loss().add("ce", losses::soft_cross_entropy(step.logits, target));
  }

  void after_step(const Step& step) override {
    const at::NoGradGuard no_grad;
    const Tensor now = at::softmax(step.logits.detach(), 1);
    const ProcessGroup& group = step.trainer.run().group;
    if (bank_) bank_->update(group.all_gather_rows(step.batch.ids), group.all_gather_rows(now));
    if (share_ > 0 && !step.batch.targets.defined()) {
      const Tensor labelled = at::nonzero(step.labels() >= 0).squeeze(1), labels = step.labels().index_select(0, labelled).unsqueeze(1);
      const auto of_label = [&](const Tensor& p) { return p.index_select(0, labelled).gather(1, labels).squeeze(1); };
      hard_.add(step.batch.ids.index_select(0, labelled.to(step.batch.ids.device())), of_label(past_), of_label(now), share_,
                4 * step.epoch >= 3 * step.epochs);
    }
    past_ = Tensor();
  }

  State state() const override {
    State state;
    if (bank_) state.put("bank", bank_->state());
    if (snapshot_) state.put("snapshot", snapshot_->state());
    state.put("hard", hard_.state());
    return state;
  }
  void load(const State& state) override {
    if (bank_) bank_->load(state.take("bank"));
    if (snapshot_) snapshot_->load(state.take("snapshot"));
    hard_.load(state.take("hard"));
  }

  const HardExamples& hard_examples() const { return hard_; }

 private:
  PskdKnobs knobs_;
  std::optional<PredictionBank> bank_;
  std::optional<SnapshotTeacher> snapshot_;
  HardExamples hard_;
  double share_ = 0;  // of this step
  Tensor past_;       // P^{t-1} of this step's rows, when the share is above 0

  // The labels as a distribution: one-hot, mixed or smoothed. [batch, classes]
  Tensor given(const Batch& batch, int64_t classes) const {
    const double eps = knobs_.smoothing;
    if (!batch.targets.defined()) return losses::smoothed_labels(batch.labels, classes, eps);
    return eps == 0 ? batch.targets : (1 - eps) * batch.targets + eps / static_cast<double>(classes);
  }

  Tensor past(const Batch& batch, const Tensor& first) {
    if (bank_) return bank_->lookup(batch.ids, first);
    Wanted wanted;
    wanted.logits = true;
    return at::softmax(snapshot_->ask(batch.ids, batch.inputs, /*repeats=*/false, wanted).logits, 1);
  }
};

void run_pskd(Run& run) {
  const auto knobs = read_method_knobs<PskdKnobs>(run);
  ClassifierRun classifier = prepare_classifier(run, Access::none);
  PskdObjective objective(knobs);
  Net student = classifier.make_student(run.seed.stream("student"));
  classifier.fit("student", student, objective);
  const auto [easy, hard] = objective.hard_examples().easy_and_hard();
  run.outcome.metrics.insert({{"rescaling_easy", easy}, {"rescaling_hard", hard}});
  classifier.conclude(student);
}

}  // namespace

Method pskd() {
  return {MethodInfo("pskd")
              .paper(87)
              .in("self")
              .idea("soften the labels by the model's own earlier predictions")
              .source("Kim et al. 2021, arXiv 2006.12000"),
          [] {
            PskdKnobs section;
            return knobs_of(section).all();
          },
          run_pskd};
}

}  // namespace retort::self
