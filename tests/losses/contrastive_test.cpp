#include "retort/losses/contrastive.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"
#include "retort/losses/features.h"

namespace retort::losses {
namespace {

Tensor draws(std::vector<int64_t> shape, uint64_t seed) {
  return at::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed), at::TensorOptions().dtype(at::kDouble));
}

TEST(Contrastive, ScoresByHand) {
  // One sample, one negative, n = 4, tau = 1, Z = 2: v = exp(s)/2, c = 1/4.
  const Tensor similarities = torch::tensor({{std::log(2.0), 0.0}}, at::kDouble);
  const double expected = -(std::log(1 / 1.25) + std::log(0.25 / 0.75));
  EXPECT_NEAR(contrastive_loss(similarities, 1, 2, 4, /*eps=*/0).item<double>(), expected, 1e-12);
  EXPECT_NEAR(contrastive_normaliser(similarities, 1, 4), 6, 1e-12);  // mean(2, 1) * 4
}

TEST(Contrastive, FallsWhenPositivesRiseAndNegativesSink) {
  const Tensor similarities = draws({3, 5}, 1).requires_grad_();
  const Tensor slope = torch::autograd::grad({contrastive_loss(similarities, 0.1, 50, 20)}, {similarities})[0];
  EXPECT_TRUE((slope.select(1, 0) < 0).all().item<bool>());
  EXPECT_TRUE((slope.slice(1, 1) > 0).all().item<bool>());
}

TEST(Contrastive, BothWaysOfReadingTheMemoryAgree) {
  const Tensor embeddings = draws({3, 4}, 2).requires_grad_();
  const Tensor rows = torch::tensor({{5, 0}, {7, 7}, {2, 1}}, at::kLong);
  const Tensor memory = draws({17, 4}, 3);  // 17 rows: fetched; the first 9: one product
  const Tensor fetched = memory_similarities(embeddings, memory, rows),
               product = memory_similarities(embeddings, memory.slice(0, 0, 9), rows);
  EXPECT_LT((fetched - product).abs().max().item<double>(), 1e-14);
  EXPECT_NEAR(fetched[1][0].item<double>(), embeddings[1].dot(memory[7]).item<double>(), 1e-14);
  const auto gradient = [&](const Tensor& s) { return torch::autograd::grad({s.square().sum()}, {embeddings})[0]; };
  EXPECT_LT((gradient(fetched) - gradient(product)).abs().max().item<double>(), 1e-13);
  EXPECT_THROW(memory_similarities(embeddings, memory.slice(1, 0, 3), rows), ConfigError);
}

TEST(Contrastive, RefreshedRowsLieOnTheSphereBetweenOldAndNew) {
  const Tensor old_rows = torch::tensor({{1.0, 0.0}}, at::kDouble), fresh = torch::tensor({{0.0, 1.0}}, at::kDouble);
  EXPECT_TRUE(refreshed_memory(old_rows, fresh, 0.5).allclose(torch::tensor({{std::sqrt(0.5), std::sqrt(0.5)}}, at::kDouble)));
  EXPECT_TRUE(refreshed_memory(old_rows, fresh, 0).allclose(fresh));
}

}  // namespace
}  // namespace retort::losses
