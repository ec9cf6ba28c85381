#include "retort/methods/blackbox/bidf_apis.h"

#include "retort/base/error.h"
#include "retort/methods/blackbox/bidf_mkd.h"
#include "retort/nets/model_file.h"
#include "retort/teachers/candidate.h"

namespace retort::blackbox {

void ApiKnobs::describe(Knobs& knobs) {
  knobs("apis", apis, "classifiers that are trained here, to be asked; [teacher] files names others instead", at_least(1));
  knobs("nets", nets, "their nets, one after the other");
  knobs("ways", ways, "classes that each decides between, and of a task", at_least(2));
  knobs("test_classes", test_classes, "classes that no API knows, for the few-shot tasks", at_least(2));
  knobs("turned", turned, "every class at four quarter turns: four times as many classes");
  knobs("budget", budget, "most calls of the whole run; 0 for no limit", at_least(0));
}

int64_t ApiWorld::calls() const {
  return std::accumulate(apis.begin(), apis.end(), int64_t{0}, [](int64_t sum, const Api& api) { return sum + api.counted->calls(); });
}

Dataset with_turned_classes(const Dataset& data) {
  const auto& shape = data.spec.shape;
  if (shape.size() != 3 || shape[1] != shape[2])
    throw ConfigError(fmt::format("knobs.turned: needs square images, {} has rows [{}]", data.name, fmt::join(shape, ",")),
                      "set data.resize, or take the key out");
  Dataset all = data;
  Tensors inputs, labels, ids;
  all.extra.clear();
  all.spec.classes.clear();
  for (const auto& name : data.spec.classes)
    for (int64_t r = 0; r < 4; ++r) all.spec.classes.push_back(r == 0 ? name : fmt::format("{} turned {}", name, 90 * r));
  for (int64_t r = 0; r < 4; ++r) {
    inputs.push_back(at::rot90(data.inputs, r, {2, 3}));
    labels.push_back(data.labels * 4 + r);
    ids.push_back(data.ids * 4 + r);
  }
  all.inputs = at::cat(inputs);
  all.labels = at::cat(labels);
  all.ids = at::cat(ids);
  return all;
}

namespace {

std::vector<int64_t> numbers(const Tensor& tensor) { return {tensor.data_ptr<int64_t>(), tensor.data_ptr<int64_t>() + tensor.numel()}; }

// The rows of some classes, relabelled in their order.
Dataset of_classes(const Dataset& data, const std::vector<int64_t>& classes) {
  Tensors rows, labels;
  std::vector<std::string> names;
  for (size_t i = 0; i < classes.size(); ++i) {
    const Tensor own = at::nonzero(data.labels == classes[i]).squeeze(1);
    rows.push_back(own);
    labels.push_back(at::full({own.size(0)}, static_cast<int64_t>(i), at::kLong));
    names.push_back(data.spec.classes.at(static_cast<size_t>(classes[i])));
  }
  Dataset part = data.take(at::cat(rows));
  part.labels = at::cat(labels);
  part.spec.classes = names;
  return part;
}

std::unique_ptr<Teacher> trained_api(Run& run, const ApiKnobs& knobs, TeacherSource source, const ApiWorld& world, int64_t index) {
  const Seed seed = run.seed.stream("api", static_cast<uint64_t>(index));
  const Tensor order = permutation(static_cast<int64_t>(world.meta_train.size()), seed.stream("classes"));
  std::vector<int64_t> classes;
  for (int64_t i = 0; i < knobs.ways; ++i) classes.push_back(world.meta_train[static_cast<size_t>(order[i].item<int64_t>())]);
  source.teacher.net = knobs.nets[static_cast<size_t>(index) % knobs.nets.size()];
  Splits parts;
  parts.train = of_classes(world.train, classes);
  Net net = label_teacher(run, source, fmt::format("api-{}", index + 1), seed, parts);
  net.to(run.device);
  return net_teacher(net, source.teacher.shown());
}

}  // namespace

ApiWorld make_apis(Run& run, const ApiKnobs& knobs, const TeacherSource& source, const DataKnobs& data) {
  const TeacherKnobs& t = source.teacher;
  const bool files = t.kind == "file" || t.kind == "torchscript";
  if (!files && t.kind != "train")
    throw ConfigError(
        fmt::format("{}: teacher.kind: APIs are trained here or come from files, found '{}'", run.recipe.where("teacher.kind"), t.kind),
        "train, file or torchscript");
  if (!files && knobs.nets.empty())
    throw ConfigError(run.recipe.where("knobs.nets") + ": knobs.nets: there are none", "nets = [\"mlp-32\"]");
  Splits splits = load_splits(data, run.seed.stream("data"));
  ApiWorld world;
  world.train = knobs.turned ? with_turned_classes(splits.train) : splits.train;
  world.test = knobs.turned ? with_turned_classes(splits.test) : splits.test;
  const std::vector<int64_t> order = numbers(permutation(world.train.classes(), run.seed.stream("classes")));
  const int64_t known = static_cast<int64_t>(order.size()) - knobs.test_classes;
  if (knobs.test_classes < knobs.ways || (!files && known < knobs.ways)) {
    throw ConfigError(fmt::format("{}: knobs.test_classes: {} of {} classes for tests and {} for APIs do not make tasks of {}",
                                  run.recipe.where("knobs.test_classes"), knobs.test_classes, order.size(), known, knobs.ways),
                      "set knobs.turned, or fewer ways");
  }
  world.meta_train.assign(order.begin(), order.begin() + known);
  world.meta_test.assign(order.begin() + known, order.end());
  const int64_t count = files ? static_cast<int64_t>(t.files.size()) : knobs.apis;
  for (int64_t i = 0; i < count; ++i) {
    Api api;
    const InputSpec& spec = world.train.spec;
    if (files)
      api.teacher = open_candidate(t.files[static_cast<size_t>(i)], spec, run.device, run.seed);
    else
      api.teacher = trained_api(run, knobs, source, world, i);
    if (api.teacher->classes() != knobs.ways && api.teacher->classes() != 0) {
      throw ConfigError(fmt::format("{}: decides between {} classes, and tasks have {}", t.files[static_cast<size_t>(i)],
                                    api.teacher->classes(), knobs.ways),
                        "all APIs must have knobs.ways classes");
    }
    api.counted = std::make_unique<CountedTeacher>(*api.teacher, knobs.budget);
    world.apis.push_back(std::move(api));
  }
  return world;
}

}  // namespace retort::blackbox
