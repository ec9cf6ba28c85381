// Linear algebra on small matrices, in double: subspaces, projections, rotations, principal directions.
#pragma once

#include "retort/base/random.h"
#include "retort/base/tensor.h"

namespace retort {

// I - A A^+ for A [d, k]: the projection onto what is orthogonal to all columns of A. [d, d], symmetric, idempotent.
Tensor null_space_projector(const Tensor& columns);

// Principal component analysis of rows [n, d]: directions [d, k] are orthonormal and in order of falling variance, each with its largest entry
// positive. Throws ConfigError unless 1 <= k <= min(n, d).
struct PrincipalDirections {
  Tensor mean;        // [d]
  Tensor directions;  // [d, k]
  Tensor variances;   // [k], biased, along the directions
};
PrincipalDirections principal_directions(const Tensor& rows, int64_t k);

// An orthonormal matrix [k, k], uniformly distributed (QR of Gaussian draws with the signs of R's diagonal); the seed decides it alone.
Tensor random_rotation(int64_t k, Seed seed);

}  // namespace retort
