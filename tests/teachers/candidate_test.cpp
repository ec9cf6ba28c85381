#include "retort/teachers/candidate.h"

#include "retort/nets/model_file.h"
#include "retort/teachers/similarity.h"
#include "tests/support.h"

namespace retort {
namespace {

InputSpec spec_of(std::vector<double> mean, std::vector<double> deviation, size_t classes = 3) {
  InputSpec spec;
  spec.shape = {1, 4, 4};
  spec.mean = std::move(mean), spec.deviation = std::move(deviation);
  for (size_t c = 0; c < classes; ++c) spec.classes.push_back(std::to_string(c));
  return spec;
}

Dataset toy(const InputSpec& spec) {
  Dataset data;
  data.name = "toy";
  data.inputs = (at::arange(20 * 16, at::kLong) * 37 % 251).to(at::kByte).view({20, 1, 4, 4});
  data.labels = at::arange(20, at::kLong) % 3;
  data.ids = at::arange(20, at::kLong);
  data.spec = spec;
  return data;
}

Wanted logits() {
  Wanted wanted;
  wanted.logits = true;
  return wanted;
}

TEST(Candidate, ReadsInputsAsItLearnedThem) {
  const InputSpec own = spec_of({0.3}, {0.2}, 5), given = spec_of({0.5}, {0.4});
  const Net net = make_net("mlp-6", {1, 4, 4}, 5, Seed(1));
  const auto teacher = reading_its_own_way(net_teacher(net), own, given, "it");
  const Dataset data = toy(given);
  const Tensor expected = net.frozen().forward(prepare(data.inputs, own));
  EXPECT_LT((teacher->ask(data.ids, prepared_inputs(data), false, logits()).logits - expected).abs().max().item<double>(), 1e-5);
  // Kept answers are of inputs prepared its own way, too.
  teacher->serve(data);
  EXPECT_LT((teacher->ask(data.ids, prepared_inputs(data), true, logits()).logits - expected).abs().max().item<double>(), 1e-5);
  EXPECT_EQ(teacher->classes(), 5);
}

TEST(Candidate, AlikePreparationNeedsNothing) {
  const InputSpec spec = spec_of({0.3}, {0.2});
  auto teacher = net_teacher(make_net("mlp-6", {1, 4, 4}, 3, Seed(1)));
  const Teacher* before = teacher.get();
  EXPECT_EQ(reading_its_own_way(std::move(teacher), spec, spec, "it").get(), before);
}

TEST(Candidate, OpensModelsAndNets) {
  const Scratch scratch;
  const InputSpec spec = spec_of({0.3}, {0.2});
  save_model(scratch.file("student"), make_net("mlp-6", {1, 4, 4}, 3, Seed(1)), spec);
  EXPECT_EQ(open_candidate(scratch.path(), spec, at::kCPU, Seed(1))->access(), Access::weights);
  EXPECT_EQ(open_candidate(scratch.file("student.safetensors"), spec, at::kCPU, Seed(1))->classes(), 3);
  EXPECT_EQ(open_candidate("mlp-9", spec, at::kCPU, Seed(1))->classes(), 3);
  EXPECT_NE(
      caught<ConfigError>([&] { open_candidate("mpl-9", spec, at::kCPU, Seed(1)); }).line.find("no teacher 'mpl-9': there is no such file"),
      std::string::npos);
  EXPECT_THROW(open_candidate(scratch.file("none.safetensors"), spec, at::kCPU, Seed(1)), DataError);
  EXPECT_THROW(open_candidate(scratch.file("none.pt"), spec, at::kCPU, Seed(1)), DataError);
  InputSpec other = spec;
  other.shape = {1, 5, 5};
  EXPECT_NE(caught<DataError>([&] {
              open_candidate(scratch.path(), other, at::kCPU, Seed(1));
            }).line.find("reads inputs [1,4,4], and the data have [1,5,5]"),
            std::string::npos);
}

TEST(Similarity, EveryMetricAnswers) {
  const Dataset data = toy(spec_of({0.3}, {0.2})), probe = probe_set(data, 15, Seed(1));
  EXPECT_EQ(probe.size(), 15);
  const auto open = net_teacher(make_net("mlp-6", {1, 4, 4}, 5, Seed(1))),
             closed = net_teacher(make_net("mlp-6", {1, 4, 4}, 5, Seed(1)), Access::logits);
  const ProbeAnswers answers = ask_about(*open, probe, at::kCPU), shy = ask_about(*closed, probe, at::kCPU);
  EXPECT_EQ(answers.features.size(1), 6);
  EXPECT_EQ(shy.features.size(1), 5);
  for (const std::string& metric : similarity_metric_names()) EXPECT_TRUE(std::isfinite(similarity(metric, answers, Seed(1)))) << metric;
  EXPECT_EQ(caught<ConfigError>([&] { similarity("park", answers, Seed(1)); }).hint, "did you mean 'parc'?");
  EXPECT_THROW(ask_about(*net_teacher(make_net("mlp-6", {1, 4, 4}, 5, Seed(1)), Access::hard_labels), probe, at::kCPU), AccessError);
}

}  // namespace
}  // namespace retort
