#include "retort/nets/orthogonal.h"

#include "tests/support.h"

namespace retort {
namespace {

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape, at::kFloat).normal_(0, 1, Seed(seed).generator()); }

double distance(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

// x P^T of the unit vectors: P itself, [to, from].
Tensor matrix_of(const Net& projector) { return projector.forward(at::eye(projector.input_shape().back())).t(); }

TEST(OrthogonalColumns, TurnByHand) {
  // raw [[0],[a]]: A = [[0,-a],[a,0]], exp(A) turns by a; Cayley by 2 atan(a/2).
  const double a = 0.6;
  const Tensor raw = at::tensor({0.0, a}, at::kDouble).view({2, 1});
  EXPECT_LT(distance(orthogonal_columns(raw, OrthogonalMap::exponential), at::tensor({std::cos(a), std::sin(a)}, at::kDouble).view({2, 1})),
            1e-12);
  const double turned = 2 * std::atan(a / 2);
  EXPECT_LT(
      distance(orthogonal_columns(raw, OrthogonalMap::cayley), at::tensor({std::cos(turned), std::sin(turned)}, at::kDouble).view({2, 1})),
      1e-12);
}

TEST(OrthogonalColumns, AreOrthonormalWhateverTheParameters) {
  for (const auto map : {OrthogonalMap::exponential, OrthogonalMap::cayley}) {
    for (const double scale : {0.1, 1.0, 5.0}) {
      const Tensor tall = orthogonal_columns(scale * draws({7, 4}, 1), map), wide = orthogonal_columns(scale * draws({4, 7}, 2), map);
      EXPECT_LT(distance(tall.t().mm(tall), at::eye(4)), 1e-5);
      EXPECT_LT(distance(wide.mm(wide.t()), at::eye(4)), 1e-5);
      const Tensor square = orthogonal_columns(scale * draws({5, 5}, 3), map);
      EXPECT_NEAR(at::linalg_det(square).item<double>(), 1, 1e-5);
    }
  }
}

TEST(OrthogonalColumns, TheUpperTriangleIsFree) {
  const Tensor raw = draws({5, 3}, 4);
  EXPECT_EQ(distance(orthogonal_columns(raw, OrthogonalMap::exponential), orthogonal_columns(raw.tril(), OrthogonalMap::exponential)), 0);
}

TEST(OrthogonalProjector, StartsAtItsBase) {
  const Net tall = orthogonal_projector({3}, 6, OrthogonalMap::exponential, /*fixed_base=*/true, Seed(1));
  EXPECT_LT(distance(matrix_of(tall), tall.buffers()[0].narrow(1, 0, 3)), 1e-6);
  EXPECT_LT(distance(matrix_of(tall).t().mm(matrix_of(tall)), at::eye(3)), 1e-5);
  const Net square = orthogonal_projector({6}, 6, OrthogonalMap::cayley, /*fixed_base=*/true, Seed(2));
  EXPECT_NEAR(at::linalg_det(matrix_of(square)).item<double>(), 1, 1e-5);
  const Net free = orthogonal_projector({3}, 6, OrthogonalMap::exponential, /*fixed_base=*/false, Seed(1));
  EXPECT_LT(distance(matrix_of(free), orthogonal_columns(free.params()[0].detach(), OrthogonalMap::exponential)), 1e-6);
}

TEST(OrthogonalProjector, AWideStudentKeepsOrthonormalRows) {
  const Net wide = orthogonal_projector({8}, 5, OrthogonalMap::exponential, /*fixed_base=*/true, Seed(3));
  EXPECT_LT(distance(matrix_of(wide).mm(matrix_of(wide).t()), at::eye(5)), 1e-5);
}

TEST(OrthogonalProjector, ReadsTokens) {
  const Net projector = orthogonal_projector({4, 3}, 6, OrthogonalMap::exponential, true, Seed(1));
  EXPECT_EQ(projector.forward(draws({2, 4, 3}, 5)).sizes(), at::IntArrayRef({2, 4, 6}));
}

}  // namespace
}  // namespace retort
