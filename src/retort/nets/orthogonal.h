// Matrices with orthonormal columns as functions of free parameters, so that any optimiser may move them.
#pragma once

#include <string>

#include "retort/nets/net.h"

namespace retort {

enum class OrthogonalMap { exponential, cayley };

// raw [m, n]: L is its lower triangle with zero columns appended up to m x m, A = L - L^T is skew, Q = exp(A) or (I - A/2)^-1 (I + A/2) is a rotation;
// the first n columns of Q, [m, n], computed in double. Where n > m the same of the transpose: then the rows are orthonormal. raw = 0 gives the identity's.
// (Miles et al. 2024, arXiv 2403.06213; an unconstrained matrix in the place of A would not give a rotation.)
Tensor orthogonal_columns(const Tensor& raw, OrthogonalMap map);

// Features whose last axis has `from` channels -> `to` channels, by x P^T with P = base * orthogonal_columns(raw), [to, from]. `fixed_base`: the base is a
// random rotation that stays and raw starts at 0; otherwise there is none and raw starts as standard normal draws. The parameter is called "raw".
Net orthogonal_projector(const std::vector<int64_t>& from_shape, int64_t to, OrthogonalMap map, bool fixed_base, Seed seed);

}  // namespace retort
