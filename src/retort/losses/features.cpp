#include "retort/losses/features.h"

#include "retort/base/error.h"
#include "retort/losses/checks.h"

namespace retort::losses {
namespace {

void check_same(const char* operation, const Tensor& student, const Tensor& teacher) {
  if (student.defined() && teacher.defined() && student.sizes() == teacher.sizes()) return;
  throw ConfigError(fmt::format("{}: student features {} against teacher features {}", operation, shape_text(student), shape_text(teacher)),
                    "a projector must bring the student's features to the teacher's shape");
}

void check_rows(const char* operation, const Tensor& features) {
  if (features.dim() == 2) return;
  throw ConfigError(fmt::format("{}: expected features [rows, channels], received {}", operation, shape_text(features)));
}

}  // namespace

Tensor channel_rows(const Tensor& features) {
  if (features.dim() == 4) return features.permute({0, 2, 3, 1}).reshape({-1, features.size(1)});
  return features.dim() == 3 ? features.flatten(0, 1) : features;
}

Tensor pooled(const Tensor& features) {
  if (features.dim() == 4) return features.mean({2, 3});
  return features.dim() == 3 ? features.mean(1) : features;
}

Tensor mse(const Tensor& student, const Tensor& teacher) {
  check_same("mse", student, teacher);
  return at::mse_loss(student, teacher.detach());
}

Tensor smooth_l1(const Tensor& student, const Tensor& teacher, double beta) {
  check_same("smooth_l1", student, teacher);
  return at::smooth_l1_loss(student, teacher.detach(), at::Reduction::Mean, beta);
}

Tensor relative_mse(const Tensor& student, const Tensor& teacher) { return mse(student, teacher) / teacher.detach().square().mean(); }

Tensor cosine_rows(const Tensor& student, const Tensor& teacher) {
  check_same("cosine", student, teacher);
  check_rows("cosine", student);
  return at::cosine_similarity(student, teacher.detach(), 1);
}

Tensor cosine_distance(const Tensor& student, const Tensor& teacher) { return 1 - cosine_rows(student, teacher).mean(); }

Tensor layer_normalised(const Tensor& features, double eps) { return at::layer_norm(features, {features.size(-1)}, {}, {}, eps); }

Tensor batch_standardised(const Tensor& features, bool unbiased, double eps) {
  check_rows("batch_standardised", features);
  if (features.size(0) < 2) {
    throw ConfigError(fmt::format("batch_standardised: needs at least 2 rows, received {}", features.size(0)),
                      "use a larger batch, or train.drop_last = true when the last one is too small");
  }
  const auto [variance, mean] = at::var_mean(features, at::IntArrayRef{0}, unbiased, /*keepdim=*/true);
  return (features - mean) / (variance + eps).sqrt();
}

Tensor unit_rows(const Tensor& features) {
  check_rows("unit_rows", features);
  return features / at::norm(features, 2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

Tensor prototype_logits(const Tensor& features, const Tensor& prototypes, bool unit) {
  return features.mm((unit ? unit_rows(prototypes) : prototypes).t());
}

Tensor whitened(const Tensor& features, double eps, double shrinkage) {
  check_rows("whitened", features);
  const int64_t rows = features.size(0), channels = features.size(1);
  if (rows < 2 || (rows <= channels && shrinkage == 0)) {
    throw ConfigError(fmt::format("whitened: {} rows cannot give the covariance of {} channels", rows, channels),
                      "use a batch larger than the number of channels, or set shrinkage above 0");
  }
  const Tensor wide = features.detach().to(at::kDouble), centred = wide - wide.mean(0, /*keepdim=*/true);
  const Tensor identity = at::eye(channels, wide.options());
  Tensor covariance = centred.t().mm(centred) / (rows - 1);
  covariance = (1 - shrinkage) * covariance + (shrinkage * covariance.diagonal().mean() + eps) * identity;
  const auto [variances, directions] = at::linalg_eigh(covariance);
  return centred.mm((directions * variances.rsqrt()).mm(directions.t())).to(features.scalar_type());
}

}  // namespace retort::losses
