#include "retort/methods/features/unic_teachers.h"

#include "retort/base/error.h"
#include "retort/data/renormalisation.h"
#include "retort/nets/model_file.h"
#include "retort/train/projector.h"

namespace retort::features {

void UnicTeacherKnobs::describe(Knobs& knobs) {
  knobs("kind", kind, "train: train `net` here on `label`, once; file: weights that retort wrote; random: never trained",
        one_of({"train", "file", "random"}));
  knobs("net", net, "architecture of a trained or random teacher");
  knobs("file", file, "file: path of the model; its inputs must be prepared like the data's");
  knobs("label", label, "what a trained teacher learns: label, or another label that the data have, such as rotation (data.turn)");
  knobs("only", only, "classes of that label that it has seen; empty for all", at_least(0));
  knobs("layer", layer, "tap of its global vector");
  knobs("patch_layer", patch_layer, "tap of its patch features; its last stage when empty");
  knobs("scale", scale, "factor on its features, for experiments on teachers of different scale", above(0));
}

std::vector<UnicTeacherPlan> read_unic_teachers(Run& run, const std::vector<std::string>& use) {
  const std::vector<std::string> known = run.recipe.tables("teachers");
  if (known.empty()) {
    throw ConfigError(fmt::format("{}: the method 'unic' needs at least one teacher", run.recipe.where("teachers")),
                      "add a section such as [teachers.shapes] with net = \"mlp-256-128\"");
  }
  std::vector<UnicTeacherPlan> plans;
  for (const std::string& name : known) {
    const std::string section = "teachers." + name;
    UnicTeacherPlan plan{name, run.recipe.read<UnicTeacherKnobs>(section), run.recipe.read<TrainKnobs>("train")};
    Knobs train = knobs_of(plan.train);
    run.recipe.read(section + ".train", train);
    if (plan.knobs.kind == "file" && plan.knobs.file.empty()) {
      throw ConfigError(fmt::format("{}: {}.file: a teacher of kind \"file\" needs a path", run.recipe.where(section), section),
                        "file = \"path\"");
    }
    plans.push_back(std::move(plan));
  }
  if (use.empty()) return plans;
  std::vector<UnicTeacherPlan> chosen;
  for (const std::string& name : use) {
    const auto is_it = [&](const UnicTeacherPlan& plan) { return plan.name == name; };
    if (std::any_of(chosen.begin(), chosen.end(), is_it))
      throw ConfigError(fmt::format("{}: knobs.use: teacher \"{}\" is named twice", run.recipe.where("knobs.use"), name),
                        "name each teacher once");
    const auto found = std::find_if(plans.begin(), plans.end(), is_it);
    if (found == plans.end()) {
      const std::string nearest = nearest_name(name, known);
      throw ConfigError(
          fmt::format("{}: knobs.use: there is no teacher \"{}\"", run.recipe.where("knobs.use"), name),
          nearest.empty() ? fmt::format("teachers are {}", fmt::join(known, ", ")) : fmt::format("did you mean \"{}\"?", nearest));
    }
    chosen.push_back(*found);
  }
  return chosen;
}

Dataset labelled_by(const Dataset& data, const std::string& label, const std::vector<int64_t>& only) {
  Dataset relabelled = data;
  if (label != "label" && data.size() > 0) {
    const auto found = data.extra.find(label);
    if (found == data.extra.end() || found->second.dim() != 1 || found->second.scalar_type() != at::kLong) {
      std::vector<std::string> names = {"label"};
      for (const auto& [name, tensor] : data.extra)
        if (tensor.dim() == 1 && tensor.scalar_type() == at::kLong) names.push_back(name);
      throw ConfigError(fmt::format("{} has no label \"{}\"", data.name, label),
                        fmt::format("its labels are {}; data.turn = true adds rotation", fmt::join(names, ", ")));
    }
    relabelled.labels = found->second;
    relabelled.spec.classes.clear();
    for (int64_t c = 0; c <= relabelled.labels.max().item<int64_t>(); ++c)
      relabelled.spec.classes.push_back(fmt::format("{} {}", label, c));
  }
  if (only.empty() || data.size() == 0) return relabelled;
  Tensor renamed = at::full_like(relabelled.labels, -1);
  std::vector<std::string> names;
  for (const int64_t c : only) {
    if (c >= relabelled.classes())
      throw ConfigError(fmt::format("only: {} has classes 0 to {}, found {}", label, relabelled.classes() - 1, c));
    renamed.masked_fill_(relabelled.labels == c, static_cast<int64_t>(names.size()));
    names.push_back(relabelled.spec.classes[static_cast<size_t>(c)]);
  }
  relabelled.labels = renamed;
  relabelled = relabelled.take(at::nonzero(renamed >= 0).squeeze(1));
  relabelled.spec.classes = names;
  return relabelled;
}

Dataset UnicTeacher::read(Dataset data) const {
  data.spec.mean = reads.mean;
  data.spec.deviation = reads.deviation;
  return data;
}

Tensor UnicTeacher::read(const Tensor& inputs, const InputSpec& prepared) const {
  if (prepared.mean == reads.mean && prepared.deviation == reads.deviation) return inputs;
  return Renormalisation(prepared, reads)(inputs);
}

std::vector<UnicTeacher> make_unic_teachers(ClassifierRun& c, const std::vector<UnicTeacherPlan>& plans) {
  std::vector<UnicTeacher> teachers;
  for (const UnicTeacherPlan& plan : plans) {
    const auto& [name, knobs, train] = plan;
    const Seed seed = c.run.seed.stream("teacher " + name);
    Splits learnt{labelled_by(c.splits.train, knobs.label, knobs.only), {}, labelled_by(c.splits.validation, knobs.label, knobs.only), {}};
    Net net;
    InputSpec reads = c.splits.train.spec;
    if (knobs.kind == "file") {
      const Model model = load_model(knobs.file);
      net = model.net;
      if (model.input.shape != reads.shape || model.input.table != reads.table) {
        throw ConfigError(
            fmt::format("{}: teachers.{}: it reads {} [{}] and the data have rows [{}]", c.run.recipe.where("teachers." + name + ".file"),
                        name, model.input.table == reads.table ? "inputs" : "other columns,", fmt::join(model.input.shape, ","),
                        fmt::join(reads.shape, ",")),
            "bring the data to the shape and columns that the teachers read");
      }
      reads = model.input;
    } else {
      net = make_net(knobs.net, c.splits.train.spec.shape, learnt.train.classes(), seed.stream("net"));
    }
    if (knobs.kind == "train") {
      const auto learns_labels = label_objective();
      TeacherSource source;
      source.teacher.net = knobs.net;
      source.data = c.data_knobs;
      source.views = c.views;
      source.train = train;
      net = trained_teacher(c.run, source, "teacher-" + name, seed, learnt,
                            {fmt::format("label={} only={}", knobs.label, fmt::join(knobs.only, ",")), net, *learns_labels});
    }
    net.to(c.run.device);
    const auto stages = stage_taps(net.tap_names());
    const std::string patch_layer = !knobs.patch_layer.empty() ? knobs.patch_layer : stages.empty() ? "" : stages.back();
    net.tap_shape(knobs.layer);  // refuses a tap that is not there before anything is trained
    teachers.push_back({name, knobs.layer, patch_layer, knobs.scale, net, net_teacher(net), reads});
  }
  return teachers;
}

}  // namespace retort::features
