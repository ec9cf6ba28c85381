// Weights on few levels: bucketed scaling, uniform levels, learnt points.  Polino et al. 2018, arXiv 1802.05668
//
// A tensor is flattened and cut into buckets of consecutive entries. With beta the smallest and alpha the spread of a bucket, u = (v - beta) / alpha
// lies in [0, 1]; a level l in [0, 1] stands for beta + alpha * l.
#pragma once

#include "retort/base/random.h"
#include "retort/base/tensor.h"

namespace retort {

struct BucketScale {
  Tensor low, high;      // [buckets] float32: smallest and largest value
  int64_t size = 0;      // entries a bucket; the last may have fewer
  Tensor alpha() const;  // high - low, 1 where that is below 1e-10. double
};
// `bucket` 0 puts the whole tensor into one. Throws ConfigError for 1 or a negative one, DataError for values that are not finite.
BucketScale bucket_scale(const Tensor& values, int64_t bucket);
Tensor to_unit(const Tensor& values, const BucketScale& scale);  // u of each entry, flat, double
// beta + alpha * level, computed in double and rounded once, so that the lowest and the highest level are the bucket's own ends. Gradients flow to
// `levels` (flat, double). Returns float32 [n].
Tensor from_unit(const Tensor& levels, const BucketScale& scale);

// Quantised values are decided by these alone.
struct Quantised {
  BucketScale scale;
  Tensor points;   // [levels] float32, sorted; undefined: `levels` evenly spaced ones
  Tensor indices;  // [n] int64 in [0, levels)
  int64_t levels = 0;
  std::vector<int64_t> shape;
  Tensor values() const;  // float32, of that shape
};

// Algorithm 1: the nearest of `levels` (at least 2) evenly spaced levels; halves go to the even one. With `dice` a level up with the probability of
// the fraction instead. Q(Q(v)) = Q(v), bit for bit.
Quantised quantise_uniform(const Tensor& values, int64_t levels, int64_t bucket, at::Generator* dice = nullptr);

// Algorithm 2. points: [n], sorted, at least 2 (ConfigError).
Tensor nearest_points(const Tensor& unit, const Tensor& points);  // index of each entry's nearest point; ties go to the upper one
// beta + alpha * p_j of each entry: dL/dp_j is the sum of alpha * dL/dq over the entries that lie nearest to j. `unit`, `assignment`: flat.
Tensor on_points(const Tensor& assignment, const Tensor& points, const BucketScale& scale);
Quantised quantise_on_points(const Tensor& values, const Tensor& points, int64_t bucket);
// Where points start, in [0, 1]: at the percentiles 0 … 100 of the scaled values, or evenly spaced.
Tensor percentile_points(const Tensor& unit, int64_t count);
Tensor even_points(int64_t count);

// The backward pass takes the gradient at the quantised weights for that at `weights`.
Tensor straight_through(const Tensor& weights, const Tensor& quantised);

// Shares a budget of bits (or, with `points`, of points) out between tensors: everyone gets initial - 1 bits (or half of his points), the rest goes
// out in proportion to the gradients' norms, rounded; what rounding left over is given to the smallest or taken from the largest entry, the first
// of equals. The total stays as it was.
std::vector<int64_t> share_out(const std::vector<double>& gradient_norms, const std::vector<int64_t>& initial, bool points);

}  // namespace retort
