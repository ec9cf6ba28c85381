// Random views of prepared inputs. Every draw comes from (stream, sample id) alone, so that a view is the same whoever makes it, and when.
#pragma once

#include "retort/data/loader.h"

namespace retort {

// Flip, crops, shift, cutout and noise of each row. clean: [b, …shape] float32, prepared; ids: [b] int64. Shifted-in and padded pixels are black
// (0 before normalisation); cut-out pixels become 0 (the mean, when normalised); a clip moves as a whole. Returns a new tensor, or `clean`
// itself when the knobs ask for nothing.
Tensor random_views(const Tensor& clean, const Tensor& ids, const ViewKnobs& knobs, const InputSpec& spec, Seed stream);

// Mixup (Zhang et al. 2018) within a batch: row i becomes sum_j weights[i,j] * x[partners[i,j]]; partners[i,0] = i.
struct Mix {
  Tensor partners;  // [b, m] int64 rows of the batch, distinct within a row
  Tensor weights;   // [b, m] float32, sums to 1
};
// ids: [b]. m = min(mixup_images, b). Weights as mixup_weights() says.
Mix draw_mix(const Tensor& ids, const ViewKnobs& knobs, Seed stream);
// beta: lambda ~ Beta(a, a) for the own image, 1 - lambda for the other. dirichlet: Dirichlet(a, …, a), the largest for the own image
// (Beyer et al. 2022, function matching). a = knobs.mixup.
std::vector<double> mixup_weights(const ViewKnobs& knobs, int64_t images, Dice& dice);
// CutMix: a box of image partners[i,1] stands in image i; weights are the shares of the area.
struct Cut {
  Mix mix;
  Tensor boxes;  // [b, 4] int64: top, bottom, left, right; bottom and right exclusive
};
// Boxes take 1 - lambda of the area, lambda ~ Beta(a, a), before what sticks out is left away. a = knobs.cutmix. At least 2 ids.
Cut draw_cut(const Tensor& ids, const ViewKnobs& knobs, const InputSpec& spec, Seed stream);
Tensor cut_inputs(const Tensor& inputs, const Cut& cut);  // inputs: [n, …, h, w] that partners point into; a row for each of the cut's

Tensor mix_inputs(const Tensor& inputs, const Mix& mix);  // [b, …] of the same shape; weights (1, 0, …) give the row itself
Tensor mix_labels(const Tensor& labels, const Mix& mix, int64_t classes);  // [b, classes]; label -1 adds nothing
// Gamma(shape, 1) (Marsaglia and Tsang 2000).
double draw_gamma(double shape, Dice& dice);

// Throws ConfigError when the knobs ask for what these inputs or batches cannot have.
void check_views(const ViewKnobs& knobs, const InputSpec& spec, int64_t batch);

}  // namespace retort
