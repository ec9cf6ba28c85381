// Pseudo-subclasses: each class split into a few softly assigned parts, read off a teacher's embeddings.  LELP, arXiv 2409.20449
#pragma once

#include "retort/base/checkpoint.h"
#include "retort/base/random.h"
#include "retort/base/tensor.h"

namespace retort::logits {

// Classes c, subclasses s of a class, embeddings h [n, d]. The share of subclass s within class c is softmax over s of
//   ((N h) . directions_cs + offset_cs) / (scale_c * beta).
struct Subclasses {
  Tensor projector;   // N [d, d]: null-space projection, or undefined for none
  Tensor directions;  // [c, d, s]
  Tensor offset;      // [c, s]; -inf where a class has fewer subclasses
  Tensor scale;       // [c]: deviation of all its members' projected entries
  int64_t count() const { return directions.size(2); }
  State state() const;
  static Subclasses from(const State& state);  // throws DataError
};

// N = I - Wc (Wc^T Wc)^+ Wc^T for the last layer's weights [c, d], Wc^T their rows minus the mean row: removes what the classifier uses already.
Tensor classifier_null_space(const Tensor& weights);

// How a class's embeddings are split. pca: along its principal directions, turned by a random rotation when `rotate` so that they vary alike;
// kmeans: by its clusters' centres, as equal isotropic Gaussians.
enum class Split { pca, kmeans };
// groups: [n] the class of each embedding. A class of m embeddings has at most m - 1 subclasses (at least one). Throws DataError for a class without
// embeddings, ConfigError for more subclasses than dimensions and for shapes that do not fit.
Subclasses find_subclasses(const Tensor& embeddings, const Tensor& groups, int64_t classes, int64_t count, Split split, bool rotate,
                           const Tensor& projector, Seed seed);

// Shares within each class: [n, c, s], each (n, c) sums to 1. Throws ConfigError for embeddings of another length.
Tensor subclass_shares(const Subclasses& subclasses, const Tensor& embeddings, double beta);
// q_(c,s) = p_c * r_cs: class probabilities [n, c] and shares [n, c, s] -> [n, c*s].
Tensor subclass_targets(const Tensor& probabilities, const Tensor& shares);

// Subclass distillation's spread of a teacher's subclass logits [n, k] over a batch (Müller et al. 2020, arXiv 2002.03936), lower is more diverse:
//   mean_i log mean_j exp(v_i . v_j / tau) - 1 / tau, v the standardised logits brought to length 1.
Tensor subclass_likeness(const Tensor& logits, double tau = 1);

}  // namespace retort::logits
