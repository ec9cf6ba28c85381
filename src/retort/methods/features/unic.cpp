#include "retort/methods/features/unic.h"

#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/losses/checks.h"
#include "retort/methods/features/unic_objective.h"
#include "retort/nets/last_layer.h"
#include "retort/nets/model_file.h"
#include "retort/train/probe.h"

namespace retort::features {

Tensor distance_rows(const Tensor& prediction, const Tensor& target, const DistanceMix& mix) {
  if (prediction.sizes() != target.sizes() || prediction.dim() < 2 || prediction.dim() > 3) {
    throw ConfigError(
        fmt::format("distance_rows: prediction {} against target {}", losses::shape_text(prediction), losses::shape_text(target)),
        "both are [b, d] or [b, t, d]");
  }
  const Tensor fixed = target.detach();
  const Tensor rows = mix.cosine * (1 - at::cosine_similarity(prediction, fixed, -1)) +
                      mix.smooth_l1 * at::smooth_l1_loss(prediction, fixed, at::Reduction::None, mix.beta).mean(-1);
  return rows.dim() == 2 ? rows.mean(1) : rows;
}

Tensor kept_teachers(const Tensor& losses, const Tensor& ids, double drop, Seed seed) {
  const int64_t batch = losses.size(0), teachers = losses.size(1);
  Tensor kept = at::zeros({batch, teachers});
  const Tensor hardest = losses.detach().argmax(1).cpu().contiguous(), list = ids.cpu().contiguous();
  for (int64_t i = 0; i < batch; ++i) {
    Dice dice(seed.stream("sample", static_cast<uint64_t>(list.data_ptr<int64_t>()[i])));
    for (int64_t t = 0; t < teachers; ++t) {
      const bool dropped = dice.chance(drop);
      if (!dropped || t == hardest.data_ptr<int64_t>()[i]) kept.data_ptr<float>()[i * teachers + t] = 1;
    }
  }
  return kept.to(losses.device(), losses.scalar_type());
}

Tensor kept_mean(const Tensor& losses, const Tensor& coefficients, bool per_image) {
  if (per_image) return ((coefficients * losses).sum(1) / coefficients.sum(1)).mean();
  return (coefficients * losses).sum() / coefficients.sum();
}

double statistics_momentum(int64_t step, int64_t total) {
  constexpr double kFirst = 1, kLast = 0.001;
  return kLast + (kFirst - kLast) * 0.5 * (1 + std::cos(M_PI * static_cast<double>(step) / static_cast<double>(total)));
}

Tensor resized_patches(const Tensor& patches, int64_t to_tokens) {
  const auto side_of = [](int64_t tokens) { return static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(tokens)))); };
  const int64_t from = side_of(patches.size(1)), to = side_of(to_tokens);
  if (from * from != patches.size(1) || to * to != to_tokens)
    throw ConfigError(fmt::format("resized_patches: {} tokens to {}: not square grids", patches.size(1), to_tokens), "choose other layers");
  const Tensor map = patches.transpose(1, 2).reshape({patches.size(0), patches.size(2), from, from});
  return at::upsample_bilinear2d(map, {to, to}, /*align_corners=*/false).flatten(2).transpose(1, 2);
}

namespace {

// Accuracy of a frozen encoder's features on one task: logistic regression (its penalty chosen on the validation part) and kNN, on standardised features.
struct TaskScores {
  LinearReadout readout;
  double linear, knn;
};
TaskScores judge(const Dataset& train, const Dataset& validation, const Dataset& test, const std::string& task, int64_t neighbours) {
  const Dataset rows = labelled_by(train, task), held_out = labelled_by(validation, task), asked = labelled_by(test, task);
  const int64_t classes = rows.classes();
  const LinearReadout readout = held_out.size() > 0
                                    ? best_logistic_regression(rows.inputs, rows.labels, held_out.inputs, held_out.labels, classes)
                                    : logistic_regression(rows.inputs, rows.labels, classes, 1e-2);
  const auto [variance, mean] = at::var_mean(rows.inputs, at::IntArrayRef{0}, /*unbiased=*/false);
  const Tensor centre = mean, deviation = (variance + 1e-12).sqrt();
  const Tensor votes = knn_votes((rows.inputs - centre) / deviation, rows.labels, (asked.inputs - centre) / deviation, classes, neighbours);
  return {readout, share_right(readout.scores(asked.inputs), asked.labels), share_right(votes, asked.labels)};
}

void run_unic(Run& run) {
  const auto knobs = read_method_knobs<UnicKnobs>(run);
  const auto plans = read_unic_teachers(run, knobs.use);
  ClassifierRun c = prepare_classifier(run, Access::none);
  c.teacher.reset();  // a [teacher] of the recipe is for the other arms of a proof
  for (const std::string& task : knobs.tasks) labelled_by(c.splits.train, task);
  std::vector<UnicTeacher> teachers = make_unic_teachers(c, plans);
  UnicObjective objective(knobs, teachers);
  Net student = c.make_student(run.seed.stream("student"));
  TrainJob job = c.job("student", student, objective);
  job.validation = nullptr;  // the loss needs no labels, and the last layer has not learnt any
  train(run, job);

  // Train, validation and test part as an encoder sees them; `teacher`: whose, null for the student.
  const auto features_of = [&](const Net& net, const std::string& tap, const UnicTeacher* teacher) {
    std::vector<Dataset> parts;
    for (const Dataset* part : {&c.splits.train, &c.splits.validation, &c.splits.test}) {
      parts.push_back(part->size() == 0 ? Dataset{} : feature_set(net, tap, teacher != nullptr ? teacher->read(*part) : *part, run.device));
    }
    return parts;
  };
  std::vector<std::pair<std::string, std::vector<Dataset>>> encoders;
  if (!knobs.tasks.empty()) {
    for (const UnicTeacher& teacher : teachers) encoders.emplace_back(teacher.name, features_of(teacher.net, teacher.layer, &teacher));
    if (teachers.size() > 1) {
      std::vector<Dataset> together;
      for (size_t part = 0; part < 3; ++part) {
        std::vector<Dataset> sets;
        for (size_t t = 0; t < teachers.size(); ++t) sets.push_back(encoders[t].second[part]);
        together.push_back(sets.front().size() > 0 ? side_by_side(sets) : Dataset{});
      }
      encoders.emplace_back("concatenation", std::move(together));
    }
    encoders.emplace_back("student", features_of(student, "embedding", nullptr));
  }
  nlohmann::json rows = nlohmann::json::array();
  auto& metrics = run.outcome.metrics;
  bool decides = false;
  for (const auto& [name, parts] : encoders) {
    const std::string prefix = name == "student" ? "" : name + "_";
    double linear = 0, knn = 0;
    for (const std::string& task : knobs.tasks) {
      const TaskScores scores = judge(parts[0], parts[1], parts[2], task, knobs.neighbours);
      metrics[prefix + "linear_" + task] = 100 * scores.linear;
      metrics[prefix + "knn_" + task] = 100 * scores.knn;
      linear += 100 * scores.linear / static_cast<double>(knobs.tasks.size());
      knn += 100 * scores.knn / static_cast<double>(knobs.tasks.size());
      rows.push_back({{"encoder", name}, {"task", task}, {"linear", 100 * scores.linear}, {"knn", 100 * scores.knn}});
      if (name != "student" || task != "label") continue;
      set_last_layer(student, scores.readout.weight, scores.readout.bias);
      decides = true;
    }
    metrics[prefix + "linear_mean"] = linear;
    metrics[prefix + "knn_mean"] = knn;
    if (!run.quiet) say(fmt::format("{:<14} linear {:.2f} %, kNN {:.2f} %, mean over {}", name, linear, knn, fmt::join(knobs.tasks, ", ")));
  }
  if (!rows.empty()) {
    c.card.add_panel({{"kind", "table"},
                      {"title", "Probes of frozen encoders"},
                      {"note", "accuracy on the test part"},
                      {"columns",
                       {{{"key", "encoder"}, {"title", "encoder"}},
                        {{"key", "task"}, {"title", "task"}},
                        {{"key", "linear"}, {"title", "linear"}, {"unit", "%"}},
                        {{"key", "knn"}, {"title", "kNN"}, {"unit", "%"}}}},
                      {"rows", rows}});
  }
  if (decides)
    c.conclude(student);
  else if (run.group.leader())
    save_model(run.dir + "/student", student, c.splits.train.spec);
}

}  // namespace

Method unic() {
  return {MethodInfo("unic")
              .paper(38)
              .in("features")
              .needs(Access::none)
              .idea("one encoder that predicts the standardised features of several, without labels")
              .source("Sariyildiz et al. 2024, arXiv 2408.05088"),
          [] {
            UnicKnobs section;
            return knobs_of(section).all();
          },
          run_unic};
}

}  // namespace retort::features
