// Small nets between a student's features and a teacher's. They learn beside the student and are dropped when training ends.
#pragma once

#include <string>
#include <vector>

#include "retort/nets/net.h"

namespace retort {

using Shape = std::vector<int64_t>;  // of one sample: maps [c,h,w], tokens [t,c], vectors [d]

// The taps of a net that close a stage: names of a word and a number (stage2, hidden1, block5), in order; and the middle one (of an even number,
// the earlier), or "embedding" where a net has none.
std::vector<std::string> stage_taps(const std::vector<std::string>& taps);
std::string middle_stage(const std::vector<std::string>& taps);

// FitNet's regressor from a student's map to the teacher's shape, then batch-norm and, when `relu`, ReLU. A student map twice as large is halved
// by a 3x3 convolution of stride 2, one half as large is doubled by a transposed 4x4 one, a larger one is cut down by a valid convolution of
// kernel 1 + student - teacher. Vectors and tokens (of one number) pass a linear layer instead. Throws ConfigError for any other pair of shapes.
Net hint_regressor(const Shape& student, const Shape& teacher, bool relu, Seed seed);

// [b, …shape] -> [b, dim] of length 1: mean over pixels or tokens, one linear layer, L2 normalisation.
Net linear_embedding(const Shape& shape, int64_t dim, Seed seed);

// A head that compares features with prototypes (Caron et al. 2021): linear layers with GELU to the `hidden` widths, a linear layer to `bottleneck`,
// L2 normalisation, inner products with as many prototypes, of length 1 where `unit_prototypes`. [b, width] -> [b, prototypes]. Weights start as normal draws of deviation
// 0.02 cut at two deviations, biases at 0.
Net prototype_head(int64_t width, const std::vector<int64_t>& hidden, int64_t bottleneck, int64_t prototypes, bool unit_prototypes,
                   Seed seed);

// Linear, GELU, linear on the last axis, started like the head's layers. [b, …, from] -> [b, …, to].
Net gelu_mlp(const Shape& from, int64_t hidden, int64_t to, Seed seed);

}  // namespace retort
