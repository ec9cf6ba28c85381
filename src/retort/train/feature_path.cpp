#include "retort/train/feature_path.h"

#include "retort/base/error.h"
#include "retort/base/progress.h"
#include "retort/losses/features.h"
#include "retort/nets/layers.h"
#include "retort/nets/orthogonal.h"

namespace retort {
namespace {

int64_t width_of(const Shape& shape) { return shape.size() == 3 ? shape.front() : shape.back(); }
int64_t positions_of(const Shape& shape) { return shape.size() == 3 ? shape[1] * shape[2] : shape.size() == 2 ? shape.front() : 1; }

Net make_projector(const FeaturePathKnobs& knobs, int64_t from, int64_t to, Seed seed) {
  if (knobs.projector == "orthogonal") {
    return orthogonal_projector({from}, to, knobs.map == "exp" ? OrthogonalMap::exponential : OrthogonalMap::cayley,
                                knobs.base == "rotation", seed);
  }
  NetBuilder b(seed);
  if (knobs.projector == "linear") {
    b.block("projector", linear(b, "linear", from, to, /*bias=*/false));
  } else {
    const int64_t hidden = knobs.hidden > 0 ? knobs.hidden : to;
    b.block("projector", chain({linear(b, "linear1", from, hidden), relu(), linear(b, "linear2", hidden, to)}));
  }
  return b.finish({{"arch", knobs.projector + " projector"}}, {from}, to);
}

Net affine_channels(int64_t width, Seed seed) {
  NetBuilder b(seed);
  const Slot scale = b.param("scale", {width}, {Init::Kind::ones}), shift = b.param("shift", {width}, Init{});
  b.block("affine", [=](const Tensor& x, const Frame& frame) { return x * frame.params[scale] + frame.params[shift]; });
  return b.finish({{"arch", "affine"}}, {width}, width);
}

}  // namespace

void FeaturePathKnobs::describe(Knobs& knobs) {
  knobs("projector", projector,
        "from the student's width to the teacher's. orthogonal: a map that keeps every inner product and so cannot hide what the student "
        "lacks; linear; mlp: two layers",
        one_of({"orthogonal", "linear", "mlp"}));
  knobs("map", map, "orthogonal: from free parameters to rotations, by the matrix exponential or the Cayley transform",
        one_of({"exp", "cayley"}));
  knobs("base", base,
        "orthogonal: where it starts. rotation: at a random rotation that stays as a factor; free: at randomly drawn free parameters",
        one_of({"rotation", "free"}));
  knobs("hidden", hidden, "mlp: hidden width; 0 takes the teacher's width", at_least(0));
  knobs("normaliser", normaliser,
        "layer-norm: of the teacher's rows, for classes; batch-standardise: columns of both sides, for detection; whiten: the teacher's "
        "columns decorrelated, for "
        "generators that must be diverse; none",
        one_of({"none", "layer-norm", "batch-standardise", "whiten"}));
  knobs("shrinkage", shrinkage,
        "whiten: how far the covariance is pulled towards its mean variance; above 0 where a batch has no more rows than the teacher has "
        "channels",
        between(0, 1));
  knobs("rows", rows,
        "mean: one row a sample, the mean over its pixels or tokens; each: a row for every pixel or token (as many on both sides)",
        one_of({"mean", "each"}));
  knobs("affine", affine, "a learnt scale and shift of every channel behind the projector");
  knobs("projector_weight_decay", projector_weight_decay,
        "weight decay of a linear or mlp projector; the free parameters of a rotation have none", at_least(0));
  knobs("allow_wide_student", allow_wide_student,
        "orthogonal: go on where the student is wider than the teacher; then only rows are orthonormal and inner products are not kept");
}

std::pair<Tensor, Tensor> normalised_pair(const Tensor& student, const Tensor& teacher, const std::string& normaliser, double shrinkage) {
  // A channel that is constant over the batch becomes 0.
  constexpr double kDead = 1e-10;
  if (normaliser == "layer-norm") return {student, losses::layer_normalised(teacher)};
  if (normaliser == "batch-standardise")
    return {losses::batch_standardised(student, /*unbiased=*/true, kDead), losses::batch_standardised(teacher, /*unbiased=*/true, kDead)};
  if (normaliser == "whiten") return {student, losses::whitened(teacher, 1e-4, shrinkage)};
  return {student, teacher};
}

FeaturePath::FeaturePath(const FeaturePathKnobs& knobs, const Shape& student, const Shape& teacher, Seed seed)
    : knobs_(knobs), from_(width_of(student)), to_(width_of(teacher)), rows_(knobs.rows == "each" ? positions_of(student) : 1) {
  if (knobs.rows == "each" && rows_ != positions_of(teacher)) {
    throw ConfigError(fmt::format("features of {} rows a sample against {}", rows_, positions_of(teacher)),
                      "choose layers with as many pixels or tokens, or set knobs.rows = \"mean\"");
  }
  if (knobs.projector == "orthogonal" && from_ > to_) {
    if (!knobs.allow_wide_student) {
      throw ConfigError(fmt::format("an orthogonal projector from {} channels to {}: the student is wider than the teacher", from_, to_),
                        "choose a narrower layer, projector = \"linear\", or set knobs.allow_wide_student = true");
    }
    warn(fmt::format("the student's features are wider ({}) than the teacher's ({}): the projector keeps no inner products", from_, to_));
  }
  projector_ = make_projector(knobs, from_, to_, seed);
  if (knobs.affine) affine_ = affine_channels(to_, seed);
}

void FeaturePath::learn(Trainer& trainer, const std::string& name) {
  const Recipe& recipe = trainer.run().recipe;
  OptimiserKnobs settings = trainer.job().knobs.optimiser;
  settings.weight_decay = knobs_.projector_weight_decay;
  if (knobs_.projector == "orthogonal" && knobs_.projector_weight_decay > 0) {
    throw ConfigError(fmt::format("{}: knobs.projector_weight_decay: the free parameters of a rotation must not decay, found {}",
                                  recipe.where("knobs.projector_weight_decay"), knobs_.projector_weight_decay),
                      "set it to 0; train.weight_decay reaches the student alone");
  }
  const int64_t n = trainer.data().size(), batch = trainer.job().knobs.batch, rest = trainer.job().knobs.drop_last ? 0 : n % batch;
  const int64_t smallest = rows_ * (n < batch ? n : rest > 0 ? rest : batch);
  if (knobs_.normaliser == "whiten" && knobs_.shrinkage == 0 && smallest <= to_) {
    throw ConfigError(fmt::format("{}: knobs.normaliser: whitening {} channels needs batches of more rows; the smallest has {}",
                                  recipe.where("knobs.normaliser"), to_, smallest),
                      "raise train.batch, set train.drop_last = true, or knobs.shrinkage above 0");
  }
  if (knobs_.normaliser == "batch-standardise" && smallest < 2) {
    throw ConfigError(fmt::format("{}: knobs.normaliser: standardising over a batch needs 2 rows; the last one has {}",
                                  recipe.where("knobs.normaliser"), smallest),
                      "set train.drop_last = true");
  }
  trainer.learn(name, projector_, 1, &settings);
  if (affine_) trainer.learn(name + ".affine", *affine_, 1, &settings);
}

Tensor FeaturePath::rows_of(const Tensor& features) const {
  return knobs_.rows == "each" ? losses::channel_rows(features) : losses::pooled(features);
}

Tensor FeaturePath::loss(const Tensor& student, const Tensor& teacher) const {
  Tensor projected = projector_.forward(rows_of(student));
  if (affine_) projected = affine_->forward(projected);
  const auto [ours, theirs] = normalised_pair(projected, rows_of(teacher.detach()), knobs_.normaliser, knobs_.shrinkage);
  return losses::smooth_l1(ours, theirs);
}

double FeaturePath::gram_error() const {
  const at::NoGradGuard no_grad;
  const Tensor& like = projector_.params().front();
  const Tensor rows = at::empty({64, from_}).normal_(0, 1, Seed(1).generator()).to(like.device()), moved = projector_.forward(rows);
  const auto gram = [](const Tensor& x) { return x.to(at::kDouble).mm(x.to(at::kDouble).t()); };
  return ((gram(moved) - gram(rows)).abs().max() / gram(rows).abs().max()).item<double>();
}

}  // namespace retort
