// One encoder from several: each teacher's features, standardised, are reached by projectors from every block.  Sariyildiz et al. 2024, arXiv 2408.05088
#pragma once

#include "retort/train/method.h"

namespace retort::features {

Method unic();

// How far a prediction is from its target: cosine * (1 - cos) + smooth_l1 * mean over channels of smooth-L1(beta).
struct DistanceMix {
  double cosine = 0.5, smooth_l1 = 0.5, beta = 1;
};
// Per sample, [b]: of vectors [b, d], or the mean over tokens of [b, t, d]. The target carries no gradient. Throws ConfigError for other or different shapes.
Tensor distance_rows(const Tensor& prediction, const Tensor& target, const DistanceMix& mix = {});

// Which teachers count for which sample, [b, teachers] of 0 and 1: the one with the largest loss always, each other one with probability 1 - drop. Drawn from the seed, the
// sample's id and the teacher's place alone.
Tensor kept_teachers(const Tensor& losses, const Tensor& ids, double drop, Seed seed);
// sum(c l) / sum(c) over samples and teachers; `per_image`: first over the teachers of each sample, so that every sample weighs the same. losses, coefficients: [b, teachers].
Tensor kept_mean(const Tensor& losses, const Tensor& coefficients, bool per_image = false);

// How much of a batch goes into the running statistics at a step: a cosine from 1 to 0.001.
double statistics_momentum(int64_t step, int64_t total);

// Patch tokens [b, p, d] on a grid of `to` x `to` places, by bilinear interpolation; the old grid must be square too (ConfigError).
Tensor resized_patches(const Tensor& patches, int64_t to_tokens);

}  // namespace retort::features
