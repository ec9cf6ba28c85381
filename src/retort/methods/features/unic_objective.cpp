#include "retort/methods/features/unic_objective.h"

#include "retort/base/error.h"
#include "retort/losses/features.h"
#include "retort/methods/features/unic.h"
#include "retort/train/projector.h"

namespace retort::features {
namespace {

// Of a tap: the class token, the mean over pixels, or the vector itself.
Tensor global_vector(const Tensor& x) { return x.dim() == 3 ? x.select(1, 0) : losses::pooled(x); }
// [b, p, d]: pixels, or the tokens behind the class token.
Tensor patch_tokens(const Tensor& x) { return x.dim() == 4 ? x.flatten(2).transpose(1, 2) : x.narrow(1, 1, x.size(1) - 1); }

// What a tap holds, from its shape: channels, and the number of patches (0 without any).
struct Held {
  int64_t width, patches;
};
Held held_by(const Net& net, const std::string& tap) {
  const Shape shape = net.tap_shape(tap);
  if (shape.size() == 3) return {shape[0], shape[1] * shape[2]};
  return {shape.back(), shape.size() == 2 ? shape[0] - 1 : 0};
}

}  // namespace

void UnicKnobs::describe(Knobs& knobs) {
  knobs("use", use, "names of the teachers that teach; all of [teachers] when empty");
  knobs("drop", drop, "probability that a teacher is left out for a sample, unless it is the one with the largest loss", between(0, 1));
  knobs("cosine", cosine, "share of 1 - cos in the loss", at_least(0));
  knobs("smooth_l1", smooth_l1, "share of smooth-L1 in the loss", at_least(0));
  knobs("ladder", ladder, "blocks that feed the predictions: all, or the last alone", one_of({"all", "last"}));
  knobs("blocks", blocks, "taps of the ladder, inner ones first; the student's stages when empty");
  knobs("hidden", hidden, "hidden width of the projectors of inner blocks", at_least(1));
  knobs("hidden_last", hidden_last, "hidden width of the projectors of the last block", at_least(1));
  knobs("patches", patches, "learn patch features beside the global vector; auto: where all nets have as many",
        one_of({"auto", "on", "off"}));
  knobs("patch_resize", patch_resize, "what happens to teachers with another number of patches", one_of({"none", "bilinear"}));
  knobs("standardise", standardise, "teachers' channels: by running statistics, by each batch's own, or not at all",
        one_of({"running", "batch", "none"}));
  knobs("sigma_floor", sigma_floor, "smallest deviation of a channel, as a share of the mean one; dead channels would explode",
        between(0, 1));
  knobs("weigh", weigh, "kept: every kept pair of sample and teacher weighs the same, as in the reference; per_image: every sample does",
        one_of({"kept", "per_image"}));
  knobs("tasks", tasks, "labels that probes of the frozen encoders are asked for; none when empty");
  knobs("neighbours", neighbours, "neighbours that vote in the kNN probe", at_least(1));
}

std::vector<std::string> UnicObjective::student_taps() const {
  std::vector<std::string> taps = global_taps_;
  taps.insert(taps.end(), patch_taps_.begin(), patch_taps_.end());
  return taps;
}

void UnicObjective::setup(Trainer& trainer) {
  choose_taps(trainer.student());
  const bool patches = use_patches(trainer);
  if (!patches) patch_taps_.clear();
  for (UnicTeacher& teacher : teachers_) {
    teacher.teacher->serve(teacher.read(trainer.data()));
    add_path(trainer, teacher, /*patch=*/false);
    if (patches) add_path(trainer, teacher, /*patch=*/true);
  }
}

Loss UnicObjective::loss(const Step& step) {
  Loss loss;
  Tensors columns;
  auto path = paths_.begin();
  for (const UnicTeacher& teacher : teachers_) {
    Wanted wanted;
    wanted.features = {teacher.layer};
    if (!patch_taps_.empty()) wanted.features.push_back(teacher.patch_layer);
    const Signals said = teacher.teacher->ask(step.batch.ids, teacher.read(step.batch.teacher_inputs, step.trainer.data().spec),
                                              step.batch.repeats, wanted);
    Tensor rows = distance_of(**path++, teacher, said, step);
    if (!patch_taps_.empty()) rows = (rows + distance_of(**path++, teacher, said, step)) / 2;
    columns.push_back(rows);
  }
  const Tensor all = at::stack(columns, 1),
               kept = kept_teachers(all, step.batch.ids, knobs_.drop, step.trainer.seed().stream("drop", step.step));
  loss.add("features", kept_mean(all, kept, knobs_.weigh == "per_image"));
  for (size_t t = 0; t < teachers_.size(); ++t) loss.add(teachers_[t].name, columns[t].mean(), 0);
  return loss;
}

State UnicObjective::state() const {
  State state;
  for (size_t i = 0; i < paths_.size(); ++i) state.put(std::to_string(i), paths_[i]->statistics.state());
  return state;
}
void UnicObjective::load(const State& state) {
  for (size_t i = 0; i < paths_.size(); ++i) paths_[i]->statistics.load(state.take(std::to_string(i)));
}

void UnicObjective::choose_taps(const Net& student) {
  patch_taps_ = knobs_.blocks.empty() ? stage_taps(student.tap_names()) : knobs_.blocks;
  if (knobs_.ladder == "last" && !patch_taps_.empty()) patch_taps_ = {patch_taps_.back()};
  global_taps_ = patch_taps_;
  // What is kept of the encoder is its embedding: it is the last block's vector, where the blocks are not chosen by hand.
  if (knobs_.blocks.empty()) {
    if (global_taps_.empty()) global_taps_.emplace_back();
    global_taps_.back() = "embedding";
  }
}

std::string UnicObjective::why_no_patches(const Net& student) const {
  if (patch_taps_.empty()) return "the student has no stages";
  for (const std::string& tap : patch_taps_)
    if (held_by(student, tap).patches < 1) return fmt::format("the student's {} has no patches", tap);
  for (const UnicTeacher& teacher : teachers_) {
    const int64_t theirs = teacher.patch_layer.empty() ? 0 : held_by(teacher.net, teacher.patch_layer).patches;
    if (theirs < 1) return fmt::format("teacher \"{}\" has no patches", teacher.name);
    for (const std::string& tap : patch_taps_) {
      const int64_t mine = held_by(student, tap).patches;
      if (mine != theirs && knobs_.patch_resize == "none")
        return fmt::format("teacher \"{}\" has {} patches and the student's {} has {}", teacher.name, theirs, tap, mine);
    }
  }
  return {};
}

bool UnicObjective::use_patches(Trainer& trainer) const {
  if (knobs_.patches == "off") return false;
  const std::string why = why_no_patches(trainer.student());
  if (why.empty() || knobs_.patches == "auto") return why.empty();
  throw ConfigError(fmt::format("{}: knobs.patches: {}", trainer.run().recipe.where("knobs.patches"), why),
                    "choose layers with as many patches, set knobs.patch_resize = \"bilinear\", or patches = \"off\"");
}

void UnicObjective::add_path(Trainer& trainer, const UnicTeacher& teacher, bool patch) {
  const std::vector<std::string>& taps = patch ? patch_taps_ : global_taps_;
  const int64_t to = held_by(teacher.net, patch ? teacher.patch_layer : teacher.layer).width;
  paths_.push_back(std::make_unique<Path>(Path{patch, {}, RunningStandardiser(to, 1e-6, knobs_.sigma_floor)}));
  Path& path = *paths_.back();
  path.statistics.to(trainer.run().device);
  for (size_t i = 0; i < taps.size(); ++i) {
    const auto [width, count] = held_by(trainer.student(), taps[i]);
    const std::string name = fmt::format("{}.{}.{}", teacher.name, patch ? "patch" : "cls", taps[i]);
    path.rungs.push_back(gelu_mlp(patch ? Shape{count, width} : Shape{width}, i + 1 == taps.size() ? knobs_.hidden_last : knobs_.hidden, to,
                                  trainer.seed().stream("projector " + name)));
  }
  for (size_t i = 0; i < taps.size(); ++i)
    trainer.learn(fmt::format("{}.{}.{}", teacher.name, patch ? "patch" : "cls", taps[i]), path.rungs[i]);
}

Tensor UnicObjective::distance_of(Path& path, const UnicTeacher& teacher, const Signals& said, const Step& step) {
  const Tensor& tap = said.features.at(path.patch ? teacher.patch_layer : teacher.layer);
  Tensor target = teacher.scale * (path.patch ? patch_tokens(tap) : global_vector(tap)), prediction;
  const Tensor raw = target;
  if (knobs_.standardise == "running") target = path.statistics.normalised(raw);
  if (knobs_.standardise == "batch") target = batch_normalised(raw);
  const auto& taps = path.patch ? patch_taps_ : global_taps_;
  for (size_t i = 0; i < taps.size(); ++i) {
    const Tensor& mine = step.taps.at(taps[i]);
    Tensor rung = path.rungs[i].forward(path.patch ? patch_tokens(mine) : global_vector(mine));
    if (path.patch && rung.size(1) != target.size(1)) rung = resized_patches(rung, target.size(1));
    prediction = prediction.defined() ? prediction + rung : rung;
  }
  if (knobs_.standardise == "running")
    path.statistics.update(raw, statistics_momentum(step.step, step.total_steps), step.trainer.run().group);
  return distance_rows(prediction, target, {knobs_.cosine, knobs_.smooth_l1, 1});
}

}  // namespace retort::features
