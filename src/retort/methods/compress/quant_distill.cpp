#include "retort/methods/compress/quant_distill.h"

#include <chrono>

#include "retort/base/error.h"
#include "retort/base/safetensors.h"
#include "retort/methods/compress/quantised_training.h"
#include "retort/nets/packed_model.h"
#include "retort/stats/ranking.h"

namespace retort::compress {
namespace {

struct QuantKnobs {
  std::string algorithm = "qd", init = "percentiles", rounding = "nearest", allocation = "even", coding = "smaller", dq_teacher = "teacher";
  int64_t bits = 4, points = 0, bucket = 256, points_epochs = 0, depth_width = 64;
  double temperature = 2, lambda = 0.7, warm = 0, points_lr = 1e-5;
  bool vectors = false, float_ends = false;
  std::vector<std::string> skip;
  std::vector<int64_t> compare = {2, 4, 8}, depths;
  void describe(Knobs& knobs) {
    knobs("algorithm", algorithm,
          "qd: quantised distillation, weights behind a quantiser; dq: differentiable quantisation, the levels learn; ptq: round the float "
          "student",
          one_of({"qd", "dq", "ptq"}));
    knobs("bits", bits, "bits a weight", between(1, 16));
    knobs("points", points, "dq: levels of a tensor; 2^bits when 0", at_least(0));
    knobs("bucket", bucket, "consecutive weights that share a scale; 0: a whole tensor", at_least(0));
    knobs("skip", skip, "parameters that stay floats: names, module names, or prefixes with *");
    knobs("vectors", vectors, "quantise biases and norm parameters as well, as the reference does");
    knobs("float_ends", float_ends, "leave the first and the last matrix in floats");
    knobs("temperature", temperature, "softmax temperature of both sides", above(0));
    knobs("lambda", lambda, "share of the teacher in the loss; 0: labels alone, no teacher is asked", between(0, 1));
    knobs("warm", warm,
          "qd: share of the epochs that the student learns in floats before its weights are quantised; 0 quantises from the start",
          between(0, 0.95));
    knobs("rounding", rounding, "qd: nearest level, or stochastic: up with the probability of the fraction",
          one_of({"nearest", "stochastic"}));
    knobs("init", init, "dq: where points start: at percentiles of the weights or evenly spaced (uniform)",
          one_of({"percentiles", "uniform"}));
    knobs("points_lr", points_lr, "dq: learning rate of the points", above(0));
    knobs("points_epochs", points_epochs, "dq: epochs of the points; when 0, 20 for up to 4 levels and 10 for more", at_least(0));
    knobs("dq_teacher", dq_teacher, "dq: who teaches the points: the teacher, or (student, as the reference) the float student itself",
          one_of({"teacher", "student"}));
    knobs("allocation", allocation,
          "even: every tensor has as many bits (dq: points); gradient: shared out in proportion to gradient norms, the total kept",
          one_of({"even", "gradient"}));
    knobs("coding", coding, "how indices are stored: at their bit width, Huffman-coded, or whichever is smaller for a tensor",
          one_of({"bits", "huffman", "smaller"}));
    knobs("compare", compare, "bits of post-training quantisation of the float student, for the table", between(1, 16));
    knobs("depths", depths, "also time MLPs of so many hidden layers and fit a line to it", at_least(1));
    knobs("depth_width", depth_width, "width of their layers", at_least(1));
  }
  void check(const Recipe& recipe) const {
    const auto refuse = [&](const char* key, const std::string& what, const std::string& hint) {
      throw ConfigError(fmt::format("{}: knobs.{}: {}", recipe.where(fmt::format("knobs.{}", key)), key, what), hint);
    };
    if (bucket == 1) refuse("bucket", "a bucket of 1 would keep every weight as its own scale", "take 64 or 256; 0 for a whole tensor");
    if (points == 1 || points > 65536)
      refuse("points", fmt::format("expected 2 to 65536 (or 0 for 2^bits), found {}", points), "1 bit has 2 points");
    if (warm > 0 && recipe.has("train.stages"))
      refuse("warm", "a warm start cuts the epochs in two, and so do [[train.stages]]", "take one of the two");
    if (!depths.empty() && depths.size() < 3) refuse("depths", "a line through two points always fits", "name at least three depths");
  }
  bool learns_points() const { return algorithm == "dq"; }
  int64_t levels() const { return learns_points() && points > 0 ? points : int64_t{1} << bits; }
};

// What training left: the student with its weights on their levels, and these levels.
struct QuantisedStudent {
  Net net;
  std::map<std::string, Quantised> tensors;
};

QuantisationPlan plan_for(const ClassifierRun& c, const Net& full, const QuantKnobs& knobs, const DistillationLoss& loss) {
  QuantisationPlan plan = quantisation_plan(full, knobs.levels(), knobs.skip, knobs.vectors, knobs.float_ends);
  if (knobs.allocation == "even") return plan;
  const bool points = knobs.learns_points();
  const std::vector<int64_t> shares = share_out(gradient_norms(c, full, plan, loss),
                                                std::vector<int64_t>(plan.size(), points ? knobs.levels() : knobs.bits), points);
  for (size_t i = 0; i < plan.size(); ++i) {
    plan[i].levels = points ? std::max<int64_t>(2, shares[i]) : int64_t{1} << std::clamp<int64_t>(shares[i], 1, 16);
  }
  return plan;
}

QuantisedStudent rounded(const Net& full, const QuantisationPlan& plan, int64_t bucket) {
  QuantisedStudent made{full.clone(), QuantisedDistillation(plan, bucket, false, {}).quantised(full)};
  QuantisedDistillation(plan, bucket, false, {}).deploy(made.net);
  return made;
}

QuantisedStudent trained_quantised(ClassifierRun& c, const QuantisationPlan& plan, const QuantKnobs& knobs, const DistillationLoss& loss) {
  Net student = c.make_student(c.run.seed.stream("student"));
  QuantisedDistillation objective(plan, knobs.bucket, knobs.rounding == "stochastic", loss);
  const auto floats = float_training(loss);
  TrainJob warm = c.job("warm", student, *floats), rest = c.job("student", student, objective);
  if (knobs.warm > 0) {
    warm.knobs.epochs = std::clamp<int64_t>(std::llround(knobs.warm * static_cast<double>(rest.knobs.epochs)), 1,
                                            std::max<int64_t>(1, rest.knobs.epochs - 1));
    rest.knobs.epochs = std::max<int64_t>(1, rest.knobs.epochs - warm.knobs.epochs);
    train(c.run, warm);
  }
  train(c.run, rest);
  QuantisedStudent made{student, objective.quantised(student)};
  objective.deploy(made.net);
  return made;
}

QuantisedStudent trained_points(ClassifierRun& c, const Net& full, const QuantisationPlan& plan, const QuantKnobs& knobs,
                                const DistillationLoss& loss) {
  Net student = full.clone();
  DifferentiableQuantisation objective(plan, {knobs.bucket, knobs.init == "percentiles", knobs.points_lr}, loss);
  TrainJob job = c.job("student", student, objective);
  job.knobs.epochs = knobs.points_epochs > 0 ? knobs.points_epochs : knobs.levels() <= 4 ? 20 : 10;
  job.stages.clear();
  std::unique_ptr<Teacher> itself;
  if (knobs.dq_teacher == "student") {
    itself = net_teacher(full);
    job.teacher = itself.get();
  }
  train(c.run, job);
  QuantisedStudent made{student, objective.quantised(student)};
  objective.deploy(made.net);
  return made;
}

double accuracy_of(const ClassifierRun& c, const Net& net) {
  return 100 * score_classifier(c.test_logits(net), c.splits.test.labels).accuracy;
}

// Post-training quantisation of the float student: a table row for each number of bits, and the figure with and without buckets.
nlohmann::json compare_rounding(ClassifierRun& c, const Net& full, const QuantKnobs& knobs) {
  nlohmann::json buckets = nlohmann::json::array(), whole = nlohmann::json::array();
  for (const int64_t bits : knobs.compare) {
    const QuantisationPlan plan = quantisation_plan(full, int64_t{1} << bits, knobs.skip, knobs.vectors, knobs.float_ends);
    const QuantisedStudent made = rounded(full, plan, knobs.bucket), coarse = rounded(full, plan, 0);
    const std::string name = fmt::format("ptq{}", bits);
    c.show(name, made.net,
           static_cast<int64_t>(pack_model(made.net, c.splits.train.spec, made.tensors, coding_from(knobs.coding)).bytes.size()));
    const double without = accuracy_of(c, coarse.net);
    c.run.outcome.metrics[name + ".accuracy_whole"] = without;
    buckets.push_back({bits, accuracy_of(c, made.net)});
    whole.push_back({bits, without});
  }
  return {{{"name", fmt::format("rounded, buckets of {}", knobs.bucket)}, {"points", buckets}},
          {{"name", "rounded, a scale a tensor"}, {"points", whole}}};
}

nlohmann::json size_panel(const PackedModel& packed) {
  nlohmann::json rows = nlohmann::json::array();
  for (const PackedSize& tensor : packed.tensors) {
    rows.push_back({{"name", tensor.name},
                    {"entries", tensor.entries},
                    {"levels", tensor.levels},
                    {"coding", tensor.coding},
                    {"mean_bits", tensor.mean_bits},
                    {"bytes", tensor.bytes}});
  }
  return {{"kind", "table"},
          {"title", "Where the bytes go"},
          {"note", fmt::format("The file has {} bytes. Counted as in the paper (bits a weight, 64 a bucket, 32 a learnt point, 32 for "
                               "every other number) the model has {} bits.",
                               packed.bytes.size(), packed.formula_bits)},
          {"columns",
           {{{"key", "name"}, {"title", "tensor"}},
            {{"key", "entries"}, {"title", "weights"}, {"digits", 0}},
            {{"key", "levels"}, {"title", "levels"}, {"digits", 0}},
            {{"key", "coding"}, {"title", "stored as"}},
            {{"key", "mean_bits"}, {"title", "bits of a Huffman code"}, {"digits", 2}},
            {{"key", "bytes"}, {"title", "bytes"}, {"digits", 0}}}},
          {"rows", rows}};
}

// Time of a batch against depth: how well a line fits (R^2).
void time_depths(ClassifierRun& c, const QuantKnobs& knobs) {
  if (knobs.depths.empty()) return;
  const Dataset& test = c.splits.test;
  const Tensor inputs = prepared_inputs(test.take(at::arange(std::min<int64_t>(64, test.size()))));
  std::vector<double> depths, times;
  nlohmann::json points = nlohmann::json::array();
  for (const int64_t depth : knobs.depths) {
    std::string name = "mlp";
    for (int64_t i = 0; i < depth; ++i) name += fmt::format("-{}", knobs.depth_width);
    depths.push_back(static_cast<double>(depth));
    times.push_back(latency_per_image(make_net(name, test.spec.shape, test.classes(), c.run.seed.stream("depth")), inputs, 64));
    points.push_back({depth, times.back()});
  }
  const double r = pearson(depths, times);
  c.run.outcome.metrics["depth_fit"] = r * r;
  c.card.add_panel({{"kind", "scatter"},
                    {"title", "Time against depth"},
                    {"note", fmt::format("A line fits with R² = {:.4f}.", r * r)},
                    {"x", "hidden layers"},
                    {"y", "us/image"},
                    {"series", {{{"name", "student"}, {"points", points}}}}});
}

double mean_code_length(const PackedModel& packed) {
  double bits = 0, entries = 0;
  for (const PackedSize& tensor : packed.tensors)
    bits += tensor.mean_bits * static_cast<double>(tensor.entries), entries += static_cast<double>(tensor.entries);
  return bits / entries;
}

double float_bytes(const Net& net) { return static_cast<double>(serialise_safetensors(net.named_tensors()).size()); }

void run_quant_distill(Run& run) {
  const auto knobs = read_method_knobs<QuantKnobs>(run);
  ClassifierRun c = prepare_classifier(run, knobs.lambda > 0 ? Access::logits : Access::none);
  const DistillationLoss loss{knobs.lambda, knobs.temperature};
  Net full = c.make_student(run.seed.stream("student"));
  const auto floats = float_training(loss);
  c.fit("float", full, *floats);
  const QuantisationPlan plan = plan_for(c, full, knobs, loss);
  const QuantisedStudent made = knobs.algorithm == "qd"   ? trained_quantised(c, plan, knobs, loss)
                                : knobs.algorithm == "dq" ? trained_points(c, full, plan, knobs, loss)
                                                          : rounded(full, plan, knobs.bucket);
  if (!run.group.leader()) return;

  // From here on the student is what its file says.
  const PackedModel packed = pack_model(made.net, c.splits.train.spec, made.tensors, coding_from(knobs.coding));
  run.write("student.packed", packed.bytes);
  const auto begin = std::chrono::steady_clock::now();
  Net student = load_model(run.file("student.packed")).net;
  run.outcome.metrics["load_ms"] = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  student.to(run.device);

  c.show("float", full);
  nlohmann::json series = compare_rounding(c, full, knobs);
  const double bits = std::log2(static_cast<double>(knobs.levels()));
  series.push_back({{"name", "student"}, {"points", {{bits, accuracy_of(c, student)}}}});
  c.card.add_panel({{"kind", "lines"},
                    {"title", "Accuracy by bits"},
                    {"note", fmt::format("In floats the student reaches {:.2f} %.", accuracy_of(c, full))},
                    {"x", "bits a weight"},
                    {"y", "%"},
                    {"series", series}});
  c.card.add_panel(size_panel(packed));
  time_depths(c, knobs);
  auto& metrics = run.outcome.metrics;
  metrics["size_bits"] = static_cast<double>(packed.formula_bits);
  metrics["huffman_bits"] = mean_code_length(packed);
  metrics["times_smaller_than_float"] = float_bytes(full) / static_cast<double>(packed.bytes.size());
  if (c.teacher && c.teacher->net())
    metrics["times_smaller_than_teacher"] = float_bytes(*c.teacher->net()) / static_cast<double>(packed.bytes.size());
  c.conclude(student, {}, "student.packed");
}

}  // namespace

Method quant_distill() {
  return {MethodInfo("quant-distill")
              .paper(51)
              .in("compress")
              .needs(Access::logits)
              .idea("learn with weights on few levels, and keep them in a file of that size")
              .source("Polino et al. 2018, arXiv 1802.05668"),
          [] {
            QuantKnobs section;
            return knobs_of(section).all();
          },
          run_quant_distill};
}

}  // namespace retort::compress
