#include "retort/methods/features/random_teacher.h"

#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/methods/features/random_teacher_run.h"
#include "retort/methods/features/random_teacher_study.h"
#include "retort/nets/last_layer.h"
#include "retort/nets/model_file.h"
#include "retort/nets/weight_space.h"

namespace retort::features {
namespace {

void add_probe(nlohmann::json& rows, Run& run, const std::string& name, const Probed& probed, const std::string& suffix = {}) {
  run.outcome.metrics["probe_" + name + suffix] = 100 * probed.linear;
  run.outcome.metrics["knn_" + name + suffix] = 100 * probed.knn;
  rows.push_back(
      {{"encoder", name}, {"data", suffix.empty() ? "own" : "transfer"}, {"linear", 100 * probed.linear}, {"knn", 100 * probed.knn}});
}

// Images of another data set as the encoder reads them: one channel becomes three.
Dataset as_read_by(const Net& encoder, Dataset data, const std::string& where) {
  const auto& shape = encoder.input_shape();
  Tensor x = prepared_inputs(data);
  if (x.dim() == 4 && shape.size() == 3 && x.size(1) == 1 && shape[0] == 3) x = x.expand({-1, 3, -1, -1});
  if (x.sizes().slice(1) != at::IntArrayRef(shape)) {
    throw ConfigError(fmt::format("{}: transfer: the encoder reads [{}], {} has [{}]", where, fmt::join(shape, ","), data.name,
                                  fmt::join(x.sizes().slice(1), ",")),
                      "set transfer.resize to the side of the training images, or transfer.grey = true");
  }
  data.inputs = x;
  data.spec.mean.clear();
  data.spec.deviation.clear();
  data.spec.shape = shape;
  return data;
}

void run_random_teacher(Run& run) {
  const auto knobs = read_method_knobs<RandomTeacherKnobs>(run);
  const bool transfers = run.recipe.has("transfer");
  const auto transfer = transfers ? run.recipe.read<DataKnobs>("transfer") : DataKnobs{};
  const auto supervised = read_supervised(run, knobs.study);
  ClassifierRun c = prepare_classifier(run, Access::none);
  c.teacher.reset();  // a teacher of the recipe is for the other arms of a proof
  const std::string arch = knobs.teacher_net.empty() ? c.student_knobs.net : knobs.teacher_net;
  const bool independent = knobs.start == "interpolate" && knobs.alpha == 1;
  if (arch != c.student_knobs.net && !independent) {
    throw ConfigError(
        fmt::format("{}: knobs.teacher_net: a {} cannot start near a {}", run.recipe.where("knobs.teacher_net"), c.student_knobs.net, arch),
        "set knobs.alpha = 1, or use one architecture");
  }
  const Dataset& data = c.splits.train;
  if (knobs.probe && (data.labels >= 0).sum().item<int64_t>() == 0)
    throw DataError("knobs.probe: no training row has a label, and a probe learns from labels", "set knobs.probe = false");
  const Seed seed = run.seed.stream("random teacher");
  const RandomNets teacher = draw_nets(knobs, arch, data, seed.stream("teacher")),
                   other = draw_nets(knobs, c.student_knobs.net, data, seed.stream("other"));
  RandomNets start, student = distil(c, knobs, "student", teacher, other, knobs.alpha, &start);
  if (run.group.leader()) save_model(run.dir + "/teacher", teacher.encoder, data.spec, /*own_config=*/true);

  // The teacher as drawn, and every untrained encoder with running statistics of the data, as the student has them: what calibrating those brings is no gain.
  std::vector<std::pair<std::string, Net>> encoders = {{"student", student.encoder},
                                                       {"teacher", teacher.encoder.clone()},
                                                       {"start", start.encoder.clone()},
                                                       {"teacher_untouched", teacher.encoder.clone()}};
  const Tensor inputs = prepared_inputs(data);
  for (const size_t i : {size_t{1}, size_t{2}}) {
    Net& net = encoders[i].second;
    net.to(run.device);
    refit_statistics(net, inputs.to(run.device));
  }
  if (knobs.probe) {
    nlohmann::json rows = nlohmann::json::array();
    std::vector<std::pair<std::string, Splits>> places = {{"", c.splits}};
    if (transfers) {
      Splits other_data = load_splits(transfer, run.seed.stream("transfer"));
      for (Dataset* part : {&other_data.train, &other_data.test})
        *part = as_read_by(student.encoder, std::move(*part), run.recipe.where("transfer"));
      places.emplace_back("_transfer", std::move(other_data));
    }
    for (const auto& [suffix, splits] : places) {
      for (const auto& [name, net] : encoders) {
        const Dataset train_features = feature_set(net, "embedding", splits.train, run.device),
                      test_features = feature_set(net, "embedding", splits.test, run.device);
        const Probed probed = probe(run, "probe-" + name + suffix, train_features, test_features, knobs.probes, seed.stream("probe"));
        add_probe(rows, run, name, probed, suffix);
        if (name == "student" && suffix.empty()) set_last_layer(student.encoder, probed.readout.weight, probed.readout.bias);
      }
      run.outcome.metrics["gain" + suffix] = run.outcome.metrics["probe_student" + suffix] - run.outcome.metrics["probe_teacher" + suffix];
      run.outcome.metrics["knn_gain" + suffix] = run.outcome.metrics["knn_student" + suffix] - run.outcome.metrics["knn_teacher" + suffix];
    }
    c.card.add_panel(
        {{"kind", "table"},
         {"title", "Probes of frozen encoders"},
         {"note", "accuracy on the test part; teacher and start have running statistics fitted to the data, as the student's are"},
         {"columns",
          {{{"key", "encoder"}, {"title", "encoder"}},
           {{"key", "data"}, {"title", "data"}},
           {{"key", "linear"}, {"title", "linear"}, {"unit", "%"}},
           {{"key", "knn"}, {"title", "kNN"}, {"unit", "%"}}}},
         {"rows", rows}});
  }
  run_studies(c, knobs, supervised, teacher, other, start, student);
  if (knobs.probe) {
    c.conclude(student.encoder);
    if (!run.quiet)
      say(fmt::format("linear probe: student {:.2f} %, its random teacher {:.2f} %", run.outcome.metrics["probe_student"],
                      run.outcome.metrics["probe_teacher"]));
  } else if (run.group.leader()) {
    save_model(run.dir + "/student", student.encoder, data.spec);
  }
}

}  // namespace

Method random_teacher() {
  return {MethodInfo("random-teacher")
              .paper(23)
              .in("features")
              .needs(Access::none)
              .idea("pre-train an encoder without labels by distilling a net that was never trained")
              .source("Sarnthein et al. 2023, arXiv 2302.12091"),
          [] {
            RandomTeacherKnobs section;
            return knobs_of(section).all();
          },
          run_random_teacher};
}

}  // namespace retort::features
