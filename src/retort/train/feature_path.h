// The path that features take from the student to the teacher: tap -> projector -> normaliser -> distance.
#pragma once

#include <optional>

#include "retort/train/projector.h"
#include "retort/train/train.h"

namespace retort {

struct FeaturePathKnobs {
  std::string projector = "orthogonal", map = "exp", base = "rotation", normaliser = "layer-norm", rows = "mean";
  int64_t hidden = 0;
  double shrinkage = 0, projector_weight_decay = 0;
  bool affine = false, allow_wide_student = false;
  void describe(Knobs& knobs);
};

// What is done to both sides before the distance, [n, d]: none; layer-norm: the teacher's rows to mean 0 and variance 1; batch-standardise: the columns of
// both sides (unbiased); whiten: the teacher's columns decorrelated (losses::whitened). Throws ConfigError.
std::pair<Tensor, Tensor> normalised_pair(const Tensor& student, const Tensor& teacher, const std::string& normaliser,
                                          double shrinkage = 0);

// One pair of layers. The projector learns beside the student and is dropped when training ends.
class FeaturePath {
 public:
  // `student`, `teacher`: shapes of the taps.
  FeaturePath(const FeaturePathKnobs& knobs, const Shape& student, const Shape& teacher, Seed seed);
  // Registers the projector as "<name>"; free parameters of a rotation are never decayed. Throws ConfigError for whitening of batches that are too small,
  // and decay that would reach such parameters.
  void learn(Trainer& trainer, const std::string& name);
  // Mean smooth-L1 (beta = 1) between the normalised sides. The teacher carries no gradient.
  Tensor loss(const Tensor& student, const Tensor& teacher) const;
  const Net& projector() const { return projector_; }
  int64_t student_width() const { return from_; }
  // The largest |G' - G| / max |G| over Gram matrices before and after the projector, of 64 standard normal rows: 0 for what keeps all inner products.
  double gram_error() const;

 private:
  FeaturePathKnobs knobs_;
  int64_t from_, to_, rows_;  // rows_: of one sample
  Net projector_;
  std::optional<Net> affine_;

  Tensor rows_of(const Tensor& features) const;
};

}  // namespace retort
