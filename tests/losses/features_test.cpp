#include "retort/losses/features.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"

namespace retort::losses {
namespace {

Tensor draws(std::vector<int64_t> shape, uint64_t seed) {
  return at::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed), at::TensorOptions().dtype(at::kDouble));
}

TEST(Features, MapsAndTokensBecomeRowsOfChannels) {
  const Tensor map = draws({2, 3, 4, 5}, 1);
  const Tensor rows = channel_rows(map);
  EXPECT_EQ(rows.sizes(), (std::vector<int64_t>{40, 3}));
  EXPECT_TRUE(rows[20 + 2 * 5 + 3].equal(map.select(0, 1).select(1, 2).select(1, 3)));
  EXPECT_EQ(channel_rows(draws({2, 7, 3}, 1)).sizes(), (std::vector<int64_t>{14, 3}));
  EXPECT_TRUE(pooled(map).allclose(channel_rows(map).view({2, 20, 3}).mean(1)));
}

TEST(Features, DistancesByHand) {
  const Tensor a = torch::tensor({{0.0, 3.0}}, at::kDouble), b = torch::tensor({{0.5, 1.0}}, at::kDouble);
  EXPECT_DOUBLE_EQ(mse(a, b).item<double>(), (0.25 + 4) / 2);
  EXPECT_DOUBLE_EQ(smooth_l1(a, b).item<double>(), (0.125 + 1.5) / 2);
  EXPECT_DOUBLE_EQ(relative_mse(a, b).item<double>(), 4.25 / 1.25);
  EXPECT_NEAR(cosine_distance(a, b).item<double>(), 1 - 1 / std::sqrt(1.25), 1e-12);
  EXPECT_NEAR(cosine_distance(a, 5 * a).item<double>(), 0, 1e-12);
}

TEST(Features, RefusesOtherShapesRatherThanBroadcast) {
  EXPECT_THROW(mse(draws({2, 3}, 1), draws({1, 3}, 1)), ConfigError);
  EXPECT_THROW(smooth_l1(draws({2, 3}, 1), draws({2, 4}, 1)), ConfigError);
}

TEST(Features, NormalisersDoWhatTheyPromise) {
  const Tensor f = draws({50, 4}, 2) * 3 + 1;
  const Tensor h = batch_standardised(f);
  EXPECT_LT(h.mean(0).abs().max().item<double>(), 1e-12);
  EXPECT_LT((h.var(0, /*unbiased=*/true) - 1).abs().max().item<double>(), 1e-12);
  EXPECT_LT((batch_standardised(f, false).var(0, false) - 1).abs().max().item<double>(), 1e-12);
  const Tensor l = layer_normalised(f);
  EXPECT_LT(l.mean(1).abs().max().item<double>(), 1e-12);
  EXPECT_LT((l.var(1, false) - 1).abs().max().item<double>(), 1e-3);
  EXPECT_LT((unit_rows(f).square().sum(1) - 1).abs().max().item<double>(), 1e-12);
  EXPECT_THROW(batch_standardised(f.slice(0, 0, 1)), ConfigError);
}

TEST(Features, WhitenedRowsHaveCovarianceOne) {
  const Tensor f = draws({500, 6}, 3).mm(draws({6, 6}, 4)) + 2;
  const auto covariance = [](const Tensor& rows) {
    const Tensor centred = rows - rows.mean(0, true);
    return centred.t().mm(centred) / (rows.size(0) - 1);
  };
  EXPECT_LT((covariance(whitened(f, 1e-8)) - at::eye(6, f.options())).abs().max().item<double>(), 1e-3);
  EXPECT_THROW(whitened(draws({6, 6}, 5)), ConfigError);
  EXPECT_TRUE(whitened(draws({6, 6}, 5), 1e-4, 0.2).isfinite().all().item<bool>());
}

}  // namespace
}  // namespace retort::losses
