#include "retort/methods/features/random_teacher_study.h"

#include "retort/methods/features/random_teacher.h"
#include "retort/nets/pruning.h"
#include "retort/nets/weight_space.h"

namespace retort::features {
namespace {

class MaskedLabels : public Objective {
 public:
  explicit MaskedLabels(Tensors masks) : masks_(std::move(masks)) {}
  void setup(Trainer& trainer) override { apply_masks(trainer.student(), masks_); }
  Loss loss(const Step& step) override { return Loss().add("ce", label_loss(step)); }
  void after_step(const Step& step) override { apply_masks(step.trainer.student(), masks_); }

 private:
  Tensors masks_;
};

Net trained_on_labels(ClassifierRun& c, const TrainKnobs& supervised, const std::string& phase, const Net& from, const Tensors& masks) {
  Net net = from.clone();
  net.to(c.run.device);
  Tensors placed;
  for (const Tensor& mask : masks) placed.push_back(mask.to(c.run.device));
  MaskedLabels objective(std::move(placed));
  TrainJob job = c.job(phase, net, objective);
  job.knobs = supervised;
  job.stages.clear();
  train(c.run, job);
  return net;
}

double error_on_test(const ClassifierRun& c, const Net& net) {
  return 100 * (1 - score_classifier(c.test_logits(net), c.splits.test.labels).accuracy);
}

// Points [sparsity in %, accuracy in %], one a round.
nlohmann::json lottery(ClassifierRun& c, const StudyKnobs& knobs, const TrainKnobs& supervised, const std::string& name,
                       const Net& checkpoint) {
  nlohmann::json points = nlohmann::json::array();
  Tensors masks = full_masks(checkpoint);
  for (int64_t round = 0; round <= knobs.prune_rounds; ++round) {
    const Net net = trained_on_labels(c, supervised, fmt::format("lottery-{}-{}", name, round), checkpoint, masks);
    points.push_back({100 * sparsity(masks), 100 - error_on_test(c, net)});
    Net on_cpu = net.clone();
    on_cpu.to(at::kCPU);
    masks = pruned_masks(on_cpu, masks, knobs.prune_share);
  }
  c.run.outcome.metrics["lottery_" + name] = points.back()[1];
  c.run.outcome.metrics["lottery_sparsity"] = points.back()[0];
  return points;
}

nlohmann::json barrier_between_orders(ClassifierRun& c, const TrainKnobs& supervised, const std::string& name, const Net& checkpoint) {
  constexpr int kPoints = 11;
  const Tensors masks = full_masks(checkpoint);
  const Net a = trained_on_labels(c, supervised, "order-a-" + name, checkpoint, masks),
            b = trained_on_labels(c, supervised, "order-b-" + name, checkpoint, masks);
  const Tensor inputs = prepared_inputs(c.splits.train).to(c.run.device);
  std::vector<double> errors;
  nlohmann::json points = nlohmann::json::array();
  for (int i = 0; i < kPoints; ++i) {
    const double t = i / (kPoints - 1.0);
    Net between = weighted_sum({{t, &a}, {1 - t, &b}});
    refit_statistics(between, inputs);
    errors.push_back(error_on_test(c, between));
    points.push_back({t, errors.back()});
  }
  c.run.outcome.metrics["barrier_" + name] = error_barrier(errors);
  return points;
}

// Coordinates of a flat list of parameters in the plane: along `u`, then along what of `v` is across it.
struct Plane {
  double length_u, along, across;  // |u|, v's part along u, v's part across it
};
Plane plane_of(const Net& origin, const Net& first, const Net& second) {
  double uu = 0, uv = 0, vv = 0;
  for (size_t i = 0; i < origin.params().size(); ++i) {
    const Tensor u = (first.params()[i] - origin.params()[i]).detach().to(at::kDouble),
                 v = (second.params()[i] - origin.params()[i]).detach().to(at::kDouble);
    uu += u.square().sum().item<double>();
    uv += (u * v).sum().item<double>();
    vv += v.square().sum().item<double>();
  }
  const double length = std::sqrt(std::max(uu, 1e-24)), along = uv / length;
  return {length, along, std::sqrt(std::max(vv - along * along, 1e-24))};
}

// The distillation loss with every batch-norm reading its batch, on the first 500 training rows.
void loss_surface(ClassifierRun& c, const RandomTeacherKnobs& knobs, const RandomNets& teacher, RandomNets near, RandomNets far) {
  const at::NoGradGuard no_grad;
  for (Net* net : {&near.encoder, &near.head, &far.encoder, &far.head}) net->to(at::kCPU);
  const Dataset& data = c.splits.train;
  const Tensor x = prepared_inputs(data.take(at::arange(std::min<int64_t>(500, data.size()))));
  Taps taps;
  taps.wanted = {"embedding"};
  const auto embedding = [&](Net net) {
    net.train(true);
    net.forward(x, &taps);
    return taps.found.at("embedding");
  };
  const Tensor target = teacher.head.forward(embedding(teacher.encoder.clone()));
  const Plane plane = plane_of(teacher.encoder, near.encoder, far.encoder);
  const double right = std::max({plane.length_u, plane.along, 1e-9}), left = std::min(0.0, plane.along), margin_x = 0.2 * (right - left),
               margin_y = 0.2 * plane.across;
  nlohmann::json values = nlohmann::json::array(), xs = nlohmann::json::array(), ys = nlohmann::json::array();
  for (int64_t j = 0; j < knobs.study.plane; ++j) {
    const double y = plane.across + margin_y -
                     (plane.across + 2 * margin_y) * static_cast<double>(j) / static_cast<double>(knobs.study.plane - 1);
    ys.push_back(fmt::format("{:.2f}", y));
    nlohmann::json row = nlohmann::json::array();
    for (int64_t i = 0; i < knobs.study.plane; ++i) {
      const double at_x = left - margin_x +
                          (right - left + 2 * margin_x) * static_cast<double>(i) / static_cast<double>(knobs.study.plane - 1);
      if (j == 0) xs.push_back(fmt::format("{:.2f}", at_x));
      const double second = y / plane.across, first = (at_x - second * plane.along) / plane.length_u, rest = 1 - first - second;
      const Net encoder = weighted_sum({{rest, &teacher.encoder}, {first, &near.encoder}, {second, &far.encoder}});
      const Net head = weighted_sum({{rest, &teacher.head}, {first, &near.head}, {second, &far.head}});
      row.push_back(head_cross_entropy(head.forward(embedding(encoder)), target, knobs.temperature_student, knobs.temperature_teacher)
                        .item<double>());
    }
    values.push_back(row);
  }
  c.card.add_panel({{"kind", "heatmap"},
                    {"title", "Distillation loss around the teacher"},
                    {"x", xs},
                    {"y", ys},
                    {"values", values},
                    {"digits", 3},
                    {"note", fmt::format("the teacher is at (0, 0), the student from alpha 0 at ({:.2f}, 0), the student from alpha 1 at "
                                         "({:.2f}, {:.2f}); distances in weights",
                                         plane.length_u, plane.along, plane.across)}});
}

}  // namespace

void StudyKnobs::describe(Knobs& knobs) {
  knobs("prune_rounds", prune_rounds,
        "study: rounds of training on labels, pruning and rewinding, from the student and from its random start; 11 rounds of 20 % leave 9 "
        "%; 0 for none",
        at_least(0));
  knobs("prune_share", prune_share, "study: share of the remaining weights that a round takes away", between(0, 0.99));
  knobs("barrier", barrier,
        "study: the error barrier between two trainings on labels in different orders, from the student and from its random start");
  knobs("plane", plane, "study: points a side of the loss surface through the teacher and the students from alpha 0 and 1; 0 for none",
        between(0, 101));
}

TrainKnobs read_supervised(Run& run, const StudyKnobs& knobs) {
  TrainKnobs train = run.recipe.read<TrainKnobs>("train");
  if (!knobs.trains_on_labels() && !run.recipe.has("supervised")) return train;
  Knobs section = knobs_of(train);
  run.recipe.read("supervised", section);
  return train;
}

double error_barrier(const std::vector<double>& errors) {
  return *std::max_element(errors.begin(), errors.end()) - (errors.front() + errors.back()) / 2;
}

void run_studies(ClassifierRun& c, const RandomTeacherKnobs& knobs, const TrainKnobs& supervised, const RandomNets& teacher,
                 const RandomNets& other, const RandomNets& start, const RandomNets& student) {
  const auto both = [&](const auto& study) {
    return nlohmann::json{{{"name", "student"}, {"points", study("student", student.encoder)}},
                          {{"name", "random start"}, {"points", study("start", start.encoder)}}};
  };
  if (knobs.study.prune_rounds > 0) {
    const auto series = both([&](const char* name, const Net& net) { return lottery(c, knobs.study, supervised, name, net); });
    c.card.add_panel({{"kind", "lines"},
                      {"title", "Accuracy when weights are pruned and rewound"},
                      {"x", "sparsity [%]"},
                      {"y", "accuracy [%]"},
                      {"series", series}});
  }
  if (knobs.study.barrier) {
    const auto series = both([&](const char* name, const Net& net) { return barrier_between_orders(c, supervised, name, net); });
    c.card.add_panel({{"kind", "lines"},
                      {"title", "Error between two trainings in different orders"},
                      {"x", "share of the first"},
                      {"y", "error [%]"},
                      {"series", series}});
  }
  if (knobs.study.plane > 1 && knobs.start == "interpolate") {
    loss_surface(c, knobs, teacher, distil(c, knobs, "plane-near", teacher, other, 0), distil(c, knobs, "plane-far", teacher, other, 1));
  }
}

}  // namespace retort::features
