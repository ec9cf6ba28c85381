#include "retort/train/classifier.h"

#include <filesystem>

#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/base/safetensors.h"
#include "retort/nets/model_file.h"
#include "retort/teachers/view_ensemble.h"

namespace retort {
namespace {

Dataset labelled_and_not(const Splits& splits) {
  if (splits.unlabelled.size() == 0) return splits.train;
  Dataset all = splits.train;
  all.inputs = at::cat({splits.train.inputs, splits.unlabelled.inputs});
  all.labels = at::cat({splits.train.labels, splits.unlabelled.labels});
  all.ids = at::cat({splits.train.ids, splits.unlabelled.ids});
  for (auto& [name, tensor] : all.extra) tensor = at::cat({tensor, splits.unlabelled.extra.at(name)});
  return all;
}

// What the teacher says of the test part, [n, classes]; a teacher of hard labels counts as sure of them. Undefined where it only knows what was
// captured.
Tensor teacher_test_logits(Teacher& teacher, const Dataset& test, at::Device device) {
  if (!teacher.live()) return {};
  Wanted wanted;
  wanted.logits = teacher.access() >= Access::logits;
  wanted.labels = !wanted.logits;
  const Tensor inputs = prepared_inputs(test);
  Tensors parts;
  for (int64_t first = 0; first < test.size(); first += 500) {
    const int64_t last = std::min(first + 500, test.size());
    const Signals signals = teacher.ask(test.ids.slice(0, first, last), inputs.slice(0, first, last).to(device), /*repeats=*/false, wanted);
    parts.push_back(wanted.logits ? signals.logits.cpu() : at::one_hot(signals.labels.cpu(), teacher.classes()).to(at::kFloat).mul(20));
  }
  return at::cat(parts);
}

// Copies a model's weights; one that decides between other classes keeps its last layer to itself.
void start_from(Net& net, const Net& model, const std::string& from) {
  TensorMap given = model.named_tensors();
  if (model.outputs() != net.outputs()) {
    for (const auto& [name, own] : net.named_tensors()) {
      const auto found = given.find(name);
      if (found != given.end() && found->second.sizes() != own.sizes() && found->second.size(0) == model.outputs()) found->second = own;
    }
  }
  net.load(given, from);
}

Net trained_first(ClassifierRun& c, Seed seed) {
  Splits parts = teacher_splits(c.run, c.first, c.splits, c.data_knobs);
  parts.train = parts.train.take(at::nonzero(parts.train.labels >= 0).squeeze(1));
  const std::string phase = ++c.firsts == 1 ? "first" : fmt::format("first-{}", c.firsts);
  return label_teacher(c.run, c.first, phase, seed, parts);
}

int64_t bytes_of(const std::string& path) {
  std::error_code none;
  const auto size = std::filesystem::file_size(path, none);
  return none ? 0 : static_cast<int64_t>(size);
}

}  // namespace

void StudentKnobs::describe(Knobs& knobs) {
  knobs("net", net, "architecture of the student, such as mlp-24, resnet8x0.5 or vit-tiny");
  knobs("start", start, "a model whose weights the student starts from; drawn at random when empty");
  knobs("trained", trained,
        "train it with labels first, as [student.data], [student.views] and [student.train] say; the method goes on from there");
  knobs("alone", alone, "also train the same student without a teacher, for comparison");
}

Net ClassifierRun::make_student(Seed seed, int64_t outputs) {
  const Dataset& data = splits.train;
  Net net = make_net(student_knobs.net, data.spec.shape, outputs > 0 ? outputs : data.classes(), seed);
  if (!student_knobs.start.empty()) start_from(net, load_model(student_knobs.start).net, student_knobs.start);
  if (student_knobs.trained) start_from(net, trained_first(*this, seed.stream("first")), "the trained student");
  return net;
}

TrainJob ClassifierRun::job(const std::string& phase, Net& student, Objective& objective) const {
  TrainJob job;
  job.phase = phase;
  job.student = &student;
  job.teacher = teacher.get();
  job.objective = &objective;
  job.train = &splits.train;
  job.validation = &splits.validation;
  job.knobs = train_knobs;
  job.stages = stages;
  job.views = views;
  job.seed = run.seed.stream("train");
  return job;
}

Tensor ClassifierRun::test_logits(const Net& net) const { return predict_logits(net, prepared_inputs(splits.test).to(run.device)).cpu(); }

void ClassifierRun::show(const std::string& name, const Net& net, int64_t bytes) {
  if (!run.group.leader()) return;
  const Tensor reference = teacher ? teacher_test_logits(*teacher, splits.test, run.device) : Tensor();
  Net shown = net.clone();
  shown.to(at::kCPU);
  if (bytes == 0) bytes = static_cast<int64_t>(serialise_safetensors(shown.named_tensors()).size());
  card.add(name, test_logits(net), splits.test, &shown, bytes, reference, run.place.latency);
}

void ClassifierRun::conclude(const Net& student, const std::function<Tensor(const Tensor&)>& decide, const std::string& file) {
  if (!run.group.leader()) return;
  if (file.empty()) save_model(run.dir + "/student", student, splits.train.spec);
  const Tensor logits = decide ? decide(test_logits(student)) : test_logits(student);
  const Tensor reference = teacher ? teacher_test_logits(*teacher, splits.test, run.device) : Tensor();
  Net net = student.clone();
  net.to(at::kCPU);
  card.add("student", logits, splits.test, &net, bytes_of(run.file(file.empty() ? "student.safetensors" : file)), reference,
           run.place.latency);
  if (splits.validation.size() > 0) {
    const Tensor held_out = predict_logits(student, prepared_inputs(splits.validation).to(run.device)).cpu();
    const double temperature = best_temperature(decide ? decide(held_out) : held_out, splits.validation.labels);
    const Scores scaled = score_classifier(logits / temperature, splits.test.labels);
    run.outcome.metrics.insert({{"temperature", temperature}, {"ece_scaled", 100 * scaled.ece}, {"nll_scaled", scaled.nll}});
    card.add_panel({{"kind", "text"},
                    {"title", "Temperature scaling"},
                    {"paragraphs",
                     {fmt::format("Dividing the student's logits by {:.2f}, fitted on the validation part, brings its ECE on the test part "
                                  "to {:.2f} % and its NLL to {:.4f}; its decisions stay.",
                                  temperature, 100 * scaled.ece, scaled.nll)}}});
  }
  card.write_to(run.outcome, "student", splits.test);
  run.outcome.data = {{"name", splits.train.name},
                      {"train", splits.train.size()},
                      {"validation", splits.validation.size()},
                      {"test", splits.test.size()},
                      {"classes", splits.train.spec.classes}};
  if (!run.quiet) say(card.text());
}

ClassifierRun prepare_classifier(Run& run, Access needs) {
  ClassifierRun c{run,
                  run.recipe.read<DataKnobs>("data"),
                  run.recipe.read<StudentKnobs>("student"),
                  run.recipe.read<TrainKnobs>("train"),
                  {},
                  run.recipe.read<ViewKnobs>("views"),
                  {},
                  {},
                  {},
                  {}};
  for (int64_t i = 0; i < run.recipe.array_size("train.stages"); ++i)
    c.stages.push_back(run.recipe.read<StageKnobs>(fmt::format("train.stages[{}]", i)));
  const bool has_teacher = run.recipe.has("teacher");
  if (needs != Access::none && !has_teacher) {
    throw ConfigError(fmt::format("{}: the method '{}' needs a teacher", run.recipe.name(), run.settings.method),
                      "add a [teacher] section, for example: [teacher] kind = \"train\", net = \"mlp-256-256\"");
  }
  c.first = {{}, c.data_knobs, c.views, {}};
  c.first.teacher.net = c.student_knobs.net;
  for (auto [section, knobs] : {std::pair{"student.data", knobs_of(c.first.data)},
                                {"student.views", knobs_of(c.first.views)},
                                {"student.train", knobs_of(c.first.train)}})
    run.recipe.read(section, knobs);
  if (c.student_knobs.trained && !c.student_knobs.start.empty()) {
    throw ConfigError(run.recipe.where("student.trained") + ": student.trained: the student starts from student.start already",
                      "leave one of the two out");
  }
  if (has_teacher) c.source = read_teacher_source(run, c.data_knobs, c.views);
  const TeacherSource& source = c.source;
  if (has_teacher && source.teacher.shown() < needs) {
    throw AccessError(fmt::format("the method '{}' needs a teacher's {}, and this one shows {} only", run.settings.method, to_string(needs),
                                  to_string(source.teacher.shown())),
                      "", static_cast<int>(source.teacher.shown()));
  }
  run.open();
  const std::optional<InputSpec> reads = has_teacher ? teacher_reads(source) : std::nullopt;
  c.splits = load_splits(c.data_knobs, run.seed.stream("data"), reads ? &*reads : nullptr);
  if (has_teacher) {
    c.teacher = make_teacher(run, source, c.splits, c.data_knobs);
    if (c.teacher->live())
      require_access(*c.teacher, needs, fmt::format("the method '{}'", run.settings.method));  // an endpoint may show less than it might
    const Net* net = c.teacher->net();
    std::optional<Net> on_cpu;
    if (net != nullptr) {
      on_cpu = net->clone();
      on_cpu->to(at::kCPU);
    }
    const int64_t bytes = on_cpu ? static_cast<int64_t>(serialise_safetensors(on_cpu->named_tensors()).size()) : 0;
    if (run.group.leader() && c.teacher->live()) {
      const Tensor logits = teacher_test_logits(*c.teacher, c.splits.test, run.device);
      c.card.add("teacher", logits, c.splits.test, on_cpu ? &*on_cpu : nullptr, bytes, {}, run.place.latency);
    }
  }
  if (c.teacher && c.views.policy == "fixed-ensemble") {
    c.teacher = view_ensemble_teacher(std::move(c.teacher), c.views, c.splits.train.spec, run.seed.stream("fixed views"));
    require_access(*c.teacher, needs, fmt::format("the method '{}' with views.policy = \"fixed-ensemble\"", run.settings.method));
  }
  if (c.student_knobs.alone) {
    const auto learns_labels = label_objective();
    Net alone = c.make_student(run.seed.stream("student"));
    c.fit("alone", alone, *learns_labels);
    c.show("alone", alone);
  }
  c.splits.train = labelled_and_not(c.splits);
  return c;
}

}  // namespace retort
