// The generation variant of vkd: a GAN of few data whose discriminator must also find a frozen net's whitened features.
#pragma once

#include "retort/train/method.h"

namespace retort {
struct FeaturePathKnobs;
}

namespace retort::features {

struct GeneratorKnobs {
  int64_t noise_dim = 8, samples = 2000;
  std::string discriminator = "mlp-64-64";
  void describe(Knobs& knobs);
};

// How well samples [n, d] cover modes with centres [m, d] and deviations [m] (of one coordinate): a sample within three deviations of its nearest mode is of high
// quality, and a mode is covered when it has at least a fifth of its even share of all samples as such.
struct Coverage {
  int64_t modes = 0;
  double high_quality = 0;  // share of the samples
};
Coverage mode_coverage(const Tensor& samples, const Tensor& centres, const Tensor& deviations);

// Runs the recipe: [data] points with a class a mode, [teacher] a classifier of them, [student] the generator's net. Non-saturating losses, plus
// alpha * smooth-L1 between the discriminator's features and the teacher's, on real and made points together. Metrics: modes, high_quality (%).
void run_generator(Run& run, const FeaturePathKnobs& path, double alpha, const GeneratorKnobs& knobs);

}  // namespace retort::features
