#include "retort/methods/features/stablekd.h"

#include "retort/base/error.h"
#include "retort/nets/linear_map.h"

namespace retort::features {
namespace {

struct StableKnobs {
  int64_t blocks = 4;
  std::string merge = "halves", adapter = "linear";
  bool fold = true;
  double apart = 0.3, merged = 0.5, warmup = 0.05, temperature = 4, w_ce = 0.1, w_kd = 0.9, feature_weight = 1, inner = 0;
  bool noise = true;
  std::vector<std::string> student_layers, teacher_layers;
  void describe(Knobs& knobs) {
    knobs("blocks", blocks, "into how many blocks both nets are cut; 1 is plain distillation", at_least(1));
    knobs("merge", merge,
          "how blocks come together: halves, neighbours two by two; front or back, one boundary at a time from that end; never, only at "
          "the very end; whole, from the start",
          one_of({"halves", "front", "back", "never", "whole"}));
    knobs("apart", apart, "share of the epochs in which all blocks are apart", between(0, 1));
    knobs("merged", merged, "share of the epochs in which the student is whole; what is left goes to the stages between", between(0, 1));
    knobs("warmup", warmup, "share of every stage in which the learning rate rises; train.warmup where that is larger", between(0, 1));
    knobs("temperature", temperature, "softmax temperature of both sides", above(0));
    knobs("w_ce", w_ce, "weight of the cross-entropy with the labels", at_least(0));
    knobs("w_kd", w_kd, "weight of the divergence from the teacher", at_least(0));
    knobs("feature_weight", feature_weight,
          "weight of the distance from the teacher's features at the end of a segment, in units of their mean square", at_least(0));
    knobs("inner", inner, "weight of the same at boundaries inside a segment, such as 0.1; 0 leaves them out", at_least(0));
    knobs("adapter", adapter, "between widths of student and teacher: linear, or mlp with a ReLU inside, which cannot be folded",
          one_of({"linear", "mlp"}));
    knobs(
        "fold", fold,
        "at a merge an adapter pair becomes a linear map that stays in the student (an mlp takes it in at the end); false drops the pair");
    knobs("student_layers", student_layers, "the student's cuts, one less than blocks; [] for stages of equal share");
    knobs("teacher_layers", teacher_layers, "the teacher's cuts, likewise");
    knobs("noise", noise, "measure how noisy the first block's gradient is while the blocks are apart");
  }
  void check(const Recipe& recipe) const {
    if (adapter == "mlp" && fold && blocks > 1 && merge != "whole")
      throw ConfigError(recipe.where("knobs.adapter") + ": knobs.adapter: only linear adapters can be folded",
                        "set knobs.fold = false, or knobs.adapter = \"linear\"");
    if (apart + merged > 1)
      throw ConfigError(
          fmt::format("{}: knobs.apart and knobs.merged: {} and {} are more than the whole", recipe.where("knobs.apart"), apart, merged),
          "their sum is at most 1");
    if (recipe.array_size("train.stages") > 0)
      throw ConfigError(recipe.where("train.stages") + ": train.stages: stablekd has stages of its own",
                        "set knobs.apart and knobs.merged");
  }
};

void report(ClassifierRun& c, const BlockObjective& objective, const BlockPlan& plan, const std::vector<int64_t>& lengths) {
  const auto& looks = objective.looks();
  auto& metrics = c.run.outcome.metrics;
  metrics["gradient_noise"] = objective.noise();
  metrics["gradient_noise_at_start"] = objective.noise_at_start();
  if (looks.empty() || c.splits.validation.size() == 0) return;
  double early = 0;
  const size_t by = (3 * looks.size() + 3) / 4;
  nlohmann::json composed = nlohmann::json::array(), fed = nlohmann::json::array();
  for (size_t i = 0; i < looks.size(); ++i) {
    if (i < by) early = std::max(early, looks[i].composed);
    composed.push_back({i + 1, 100 * looks[i].composed});
    fed.push_back({i + 1, 100 * looks[i].fed});
  }
  metrics["validation_by_75"] = 100 * early;
  metrics["validation_final"] = 100 * looks.back().composed;
  std::vector<std::string> stages;
  for (size_t i = 0; i < lengths.size(); ++i)
    stages.push_back(fmt::format("{} epochs of {} segment{}", lengths[i], plan.stages[i].size(), plan.stages[i].size() == 1 ? "" : "s"));
  c.card.add_panel(
      {{"kind", "lines"},
       {"title", "Blocks come together"},
       {"note", fmt::format("Validation accuracy: {}.", fmt::join(stages, ", then "))},
       {"x", "epoch"},
       {"y", "accuracy, %"},
       {"series",
        {{{"name", "student"}, {"points", composed}}, {{"name", "its last segment behind the teacher's features"}, {"points", fed}}}}});
}

void run_stablekd(Run& run) {
  const auto knobs = read_method_knobs<StableKnobs>(run);
  ClassifierRun c = prepare_classifier(run, knobs.blocks > 1 ? Access::features : Access::logits);
  if (!c.teacher) throw AccessError("stablekd needs a teacher and the recipe has none", "add a [teacher] section");
  const Net plain = c.make_student(run.seed.stream("student"));
  BlockPlan plan;
  if (knobs.blocks > 1) plan.boundaries = cut_points(plain, *c.teacher, knobs.blocks, knobs.student_layers, knobs.teacher_layers);
  plan.stages = merge_schedule(knobs.blocks, knobs.merge);
  plan.fold = knobs.fold;
  plan.adapter = knobs.adapter;
  plan.temperature = knobs.temperature;
  plan.w_ce = knobs.w_ce;
  plan.w_kd = knobs.w_kd;
  plan.feature_weight = knobs.feature_weight;
  plan.inner = knobs.inner;
  plan.noise_share = knobs.noise ? knobs.apart : 0;
  Net student = student_for(plan, plain, *c.teacher);
  BlockObjective objective(plan, c);
  TrainJob job = c.job("student", student, objective);
  const auto lengths = stage_epochs(c.train_knobs.epochs, plan.stages.size(), knobs.apart, knobs.merged);
  for (size_t i = 0; i < lengths.size(); ++i) {
    StageKnobs stage;
    stage.name = fmt::format("{} segments", plan.stages[i].size());
    stage.epochs = lengths[i];
    job.stages.push_back(stage);
  }
  if (lengths.size() > 1) job.knobs.schedule.warmup = std::max(job.knobs.schedule.warmup, knobs.warmup);
  train(run, job);
  report(c, objective, plan, lengths);
  c.conclude(with_maps_absorbed(student));
}

}  // namespace

Method stablekd() {
  return {MethodInfo("stablekd")
              .paper(76)
              .in("features")
              .needs(Access::features)
              .idea("train the student's blocks apart, each behind the teacher's features, then merge them")
              .source("Kao et al. 2023, arXiv 2312.13223"),
          [] {
            StableKnobs section;
            return knobs_of(section).all();
          },
          run_stablekd};
}

}  // namespace retort::features
