#include "retort/stats/linear_algebra.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"

namespace retort {
namespace {

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape, at::kDouble).normal_(0, 1, Seed(seed).generator()); }
double largest(const Tensor& t) { return t.abs().max().item<double>(); }

TEST(LinearAlgebra, NullSpaceProjectorByHand) {
  // What is orthogonal to (3, 4): I - (3,4)(3,4)^T / 25.
  const Tensor n = null_space_projector(at::tensor({3.0, 4.0}, at::kDouble).view({2, 1}));
  EXPECT_LT(largest(n - at::tensor({16.0, -12.0, -12.0, 9.0}, at::kDouble).view({2, 2}) / 25), 1e-12);
}

TEST(LinearAlgebra, NullSpaceProjectorIsAProjection) {
  Tensor a = draws({7, 3}, 1);
  a = at::cat({a, a.sum(1, true)}, 1);  // of rank 3
  const Tensor n = null_space_projector(a);
  EXPECT_LT(largest(n.mm(a)), 1e-12);
  EXPECT_LT(largest(n.mm(n) - n), 1e-12);
  EXPECT_LT(largest(n - n.t()), 1e-12);
  EXPECT_NEAR(n.trace().item<double>(), 4, 1e-10);
}

TEST(LinearAlgebra, PrincipalDirectionsByHand) {
  // Spread 2 along (0, 1), 1 along (1, 0), around (5, 5).
  const Tensor rows = at::tensor({5.0, 7.0, 5.0, 3.0, 6.0, 5.0, 4.0, 5.0}, at::kDouble).view({4, 2});
  const auto found = principal_directions(rows, 2);
  EXPECT_LT(largest(found.mean - 5), 1e-12);
  EXPECT_LT(largest(found.directions - at::tensor({0.0, 1.0, 1.0, 0.0}, at::kDouble).view({2, 2})), 1e-12);
  EXPECT_LT(largest(found.variances - at::tensor({2.0, 0.5}, at::kDouble)), 1e-12);
}

TEST(LinearAlgebra, PrincipalDirectionsAreOrthonormalWithTheirHeaviestEntryPositive) {
  const auto found = principal_directions(draws({40, 6}, 2), 4);
  EXPECT_LT(largest(found.directions.t().mm(found.directions) - at::eye(4, at::kDouble)), 1e-12);
  for (int64_t k = 0; k < 4; ++k) {
    const Tensor one = found.directions.select(1, k);
    EXPECT_GT(one[one.abs().argmax().item<int64_t>()].item<double>(), 0);
  }
}

TEST(LinearAlgebra, PrincipalDirectionsRefuseMoreThanThereAre) {
  EXPECT_THROW(principal_directions(draws({3, 6}, 3), 4), ConfigError);
  EXPECT_THROW(principal_directions(draws({9, 2}, 3), 3), ConfigError);
  EXPECT_THROW(principal_directions(draws({9, 2}, 3), 0), ConfigError);
}

TEST(LinearAlgebra, RandomRotationsAreOrthonormalAndTheSeedsOwn) {
  const Tensor q = random_rotation(5, Seed(1));
  EXPECT_LT(largest(q.t().mm(q) - at::eye(5, at::kDouble)), 1e-12);
  EXPECT_TRUE(q.equal(random_rotation(5, Seed(1))));
  EXPECT_FALSE(q.equal(random_rotation(5, Seed(2))));
}

}  // namespace
}  // namespace retort
