#include "retort/methods/features/vkd_generate.h"

#include <optional>

#include "retort/base/error.h"
#include "retort/nets/model_file.h"
#include "retort/train/feature_path.h"

namespace retort::features {
namespace {

Tensor detached_forward(const Net& net, const Tensor& x) {
  Tensors values;
  for (const Tensor& param : net.params()) values.push_back(param.detach());
  return net.forward_with(values, x);
}

// Generator and discriminator step together: each loss reaches its own net only.
class GeneratorObjective : public Objective {
 public:
  GeneratorObjective(const FeaturePathKnobs& path, double alpha, Net discriminator)
      : knobs_(path), alpha_(alpha), discriminator_(std::move(discriminator)) {}

  void setup(Trainer& trainer) override {
    trainer.learn("discriminator", discriminator_);
    path_.emplace(knobs_, discriminator_.tap_shape(kLayer), trainer.teacher()->tap_shape(kLayer), trainer.seed().stream("projector"));
    path_->learn(trainer, "projector");
  }

  // The generator's samples, as many as the batch has rows.
  Tensor forward(Trainer& trainer, const Batch& batch, Taps*) override {
    const Seed seed = trainer.seed().stream("noise", drawn_++).stream("rank", static_cast<uint64_t>(trainer.run().group.rank()));
    const Tensor noise = at::empty({batch.size(), trainer.student().input_shape().front()}).normal_(0, 1, seed.generator());
    return trainer.student().forward(noise.to(batch.inputs.device()));
  }

  Loss loss(const Step& step) override {
    const Tensor& real = step.batch.inputs;
    const Tensor made = step.logits, both = at::cat({real, made.detach()});
    Taps taps;
    taps.wanted = {kLayer};
    const Tensor verdict = discriminator_.forward(both, &taps).squeeze(1);
    const Tensor discriminates = at::softplus(-verdict.slice(0, 0, real.size(0))).mean() +
                                 at::softplus(verdict.slice(0, real.size(0))).mean();
    Loss loss;
    loss.add("generator", at::softplus(-detached_forward(discriminator_, made)).mean()).add("discriminator", discriminates);
    if (alpha_ == 0) return loss;
    Wanted wanted;
    wanted.features = {kLayer};
    const Tensor nobody = at::full({both.size(0)}, -1, at::kLong);
    const Signals said = step.trainer.teacher()->ask(nobody, both, /*repeats=*/false, wanted);
    return loss.add("features", path_->loss(taps.found.at(kLayer), said.features.at(kLayer)), alpha_);
  }

  State state() const override {
    State state;
    state.values = {{"drawn", drawn_}};
    return state;
  }
  void load(const State& state) override { drawn_ = state.values.at("drawn"); }

 private:
  static constexpr const char* kLayer = "embedding";
  FeaturePathKnobs knobs_;
  double alpha_;
  Net discriminator_;
  std::optional<FeaturePath> path_;
  uint64_t drawn_ = 0;
};

// Centre and deviation of every class of the test part, as the nets read it.
std::pair<Tensor, Tensor> modes_of(const Dataset& data) {
  const Tensor x = prepared_inputs(data);
  Tensors centres, deviations;
  for (int64_t c = 0; c < data.classes(); ++c) {
    const Tensor members = x.index_select(0, at::nonzero(data.labels == c).squeeze(1));
    if (members.size(0) < 2)
      throw DataError(fmt::format("data.test: mode {} has {} test points; its place and width need 2", c, members.size(0)),
                      "raise data.test");
    centres.push_back(members.mean(0));
    deviations.push_back(members.std(0, /*unbiased=*/true).mean());
  }
  return {at::stack(centres), at::stack(deviations)};
}

nlohmann::json points_of(const Tensor& points) {
  nlohmann::json list = nlohmann::json::array();
  for (int64_t i = 0; i < std::min<int64_t>(points.size(0), 500); ++i)
    list.push_back({points[i][0].item<double>(), points[i][1].item<double>()});
  return list;
}

}  // namespace

void GeneratorKnobs::describe(Knobs& knobs) {
  knobs("noise_dim", noise_dim, "generate: numbers that the generator starts from", at_least(1));
  knobs("samples", samples, "generate: points drawn to be judged", at_least(1));
  knobs("discriminator", discriminator, "generate: net of the discriminator");
}

Coverage mode_coverage(const Tensor& samples, const Tensor& centres, const Tensor& deviations) {
  const auto [distance, mode] = at::cdist(samples, centres).min(1);
  const Tensor good = distance <= 3 * deviations.index_select(0, mode);
  const Tensor counts = at::bincount(mode.masked_select(good), {}, centres.size(0));
  const double share = static_cast<double>(samples.size(0)) / static_cast<double>(centres.size(0));
  return {(counts >= 0.2 * share).sum().item<int64_t>(), good.to(at::kDouble).mean().item<double>()};
}

void run_generator(Run& run, const FeaturePathKnobs& path, double alpha, const GeneratorKnobs& knobs) {
  ClassifierRun c = prepare_classifier(run, Access::features);
  const Dataset& data = c.splits.train;
  if (data.spec.shape != std::vector<int64_t>{2}) {
    throw ConfigError(fmt::format("{}: knobs.task: \"generate\" makes points of the plane, and {} has rows [{}]",
                                  run.recipe.where("knobs.task"), data.name, fmt::join(data.spec.shape, ",")),
                      "take a generated world such as data.source = \"world:ring8\"");
  }
  const Seed seed = run.seed.stream("generator");
  Net generator = make_net(c.student_knobs.net, {knobs.noise_dim}, 2, seed.stream("net"));
  GeneratorObjective objective(path, alpha, make_net(knobs.discriminator, {2}, 1, seed.stream("discriminator")));
  TrainJob job = c.job("generator", generator, objective);
  job.validation = nullptr;
  train(run, job);
  if (!run.group.leader()) return;
  const Tensor noise = at::empty({knobs.samples, knobs.noise_dim}).normal_(0, 1, seed.stream("samples").generator());
  const Tensor made = predict_logits(generator, noise.to(run.device)).cpu();
  const auto [centres, deviations] = modes_of(c.splits.test);
  const Coverage coverage = mode_coverage(made, centres, deviations);
  run.outcome.metrics = {{"modes", static_cast<double>(coverage.modes)}, {"high_quality", 100 * coverage.high_quality}};
  run.outcome.table = {{"columns",
                        {{{"key", "modes"}, {"title", "modes covered"}, {"better", "higher"}, {"digits", 0}},
                         {{"key", "high_quality"}, {"title", "high quality"}, {"unit", "%"}, {"better", "higher"}}}},
                       {"rows", {{{"name", "student"}, {"values", run.outcome.metrics}}}}};
  run.outcome.panels.push_back(
      {{"kind", "scatter"},
       {"title", "Points as the nets read them"},
       {"x", "x"},
       {"y", "y"},
       {"series", {{{"name", "data"}, {"points", points_of(prepared_inputs(data))}}, {{"name", "student"}, {"points", points_of(made)}}}}});
  run.outcome.data = {{"name", data.name}, {"train", data.size()}, {"test", c.splits.test.size()}, {"classes", data.spec.classes}};
  InputSpec input;
  input.shape = {knobs.noise_dim};
  save_model(run.dir + "/student", generator, input);
}

}  // namespace retort::features
