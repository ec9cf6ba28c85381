#include "retort/methods/blackbox/bidf_recovery.h"

#include "retort/base/error.h"
#include "retort/train/optimiser.h"

namespace retort::blackbox {

Tensor recovery_loss(const Tensor& teacher, const Tensor& targets, const Tensor& student, double lambda_adv) {
  const int64_t times = teacher.size(0) / targets.size(0);
  const Tensor loss = -teacher.log_softmax(1).gather(1, targets.repeat({times}).unsqueeze(1)).squeeze(1);
  if (!student.defined() || lambda_adv == 0) return loss;
  const Tensor theirs = student.detach().repeat({times, 1});
  const Tensor alike = theirs.argmax(1).eq(teacher.argmax(1)).to(loss.scalar_type());
  return loss - lambda_adv * alike * (teacher - theirs).abs().sum(1);
}

void RecoveryKnobs::describe(Knobs& knobs) {
  knobs("iterations", iterations, "steps that recover a set of images (T_g)", at_least(1));
  knobs("q", q, "directions that a gradient is estimated from: q + 1 calls an image a step", at_least(1));
  knobs("mu", mu, "length of the steps along them, in prepared inputs; below 0.01 float32 begins to drown the differences", above(0));
  knobs("antithetic", antithetic, "measure both ways along every direction: half the variance for 2q + 1 calls");
  knobs("gradient", gradient, "zeroth: estimated from answers; white-box: the true one, for comparison (needs teachers trained here)",
        one_of({"zeroth", "white-box"}));
  knobs("code", code, "numbers that an image is made of", at_least(1));
  knobs("generator_width", width, "channels of the generator's first maps", at_least(2));
  knobs("generator_lr", lr, "learning rate of the generator and its codes (Adam, beta1 0.5)", above(0));
  knobs("crop_padding", crop_padding, "recovered images are moved by up to so many pixels before the API sees them", at_least(0));
  knobs("flip", flip, "and mirrored at random; not for images that have a right side");
  knobs("keep", keep, "the images that are kept: those of the lowest surrogate <x, g>, of the lowest loss, or the last",
        one_of({"surrogate", "loss", "last"}));
}

Tensor moved(const Tensor& images, int64_t padding, bool flip, Dice& dice) {
  if (padding == 0 && !flip) return images;
  const int64_t n = images.size(0), height = images.size(2), width = images.size(3);
  Tensor rows = at::empty({n, height}, at::kLong), columns = at::empty({n, width}, at::kLong);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t top = padding > 0 ? dice.below(2 * padding + 1) : 0, left = padding > 0 ? dice.below(2 * padding + 1) : 0;
    rows[i].copy_(at::arange(top, top + height, at::kLong));
    const Tensor across = at::arange(left, left + width, at::kLong);
    columns[i].copy_(flip && dice.chance(0.5) ? across.flip(0) : across);
  }
  const Tensor padded = at::constant_pad_nd(images, {padding, padding, padding, padding}, 0);
  const Tensor tall = padded.gather(2, rows.view({n, 1, height, 1}).expand({n, images.size(1), height, padded.size(3)}));
  return tall.gather(3, columns.view({n, 1, 1, width}).expand({n, images.size(1), height, width}));
}

Recovered recover(CountedTeacher& api, const Net* net, const Tensor& targets, const InputSpec& spec, const RecoveryKnobs& knobs,
                  int64_t iterations, const std::function<Tensor(const Tensor& prepared)>& student, double lambda_adv, Seed seed) {
  const int64_t n = targets.size(0);
  Net generator = image_generator({knobs.code, spec.shape, knobs.width, /*centred=*/false, /*normal_linear=*/true},
                                  seed.stream("generator"));
  generator.require_grad(true);
  generator.train(true);
  Tensor codes = at::empty({n, knobs.code}).normal_(0, 1, seed.stream("codes").generator()).requires_grad_(true);
  OptimiserKnobs adam;
  adam.lr = knobs.lr;
  adam.beta1 = 0.5;
  Optimiser optimiser;
  optimiser.add({"generator", generator.params(), adam, 1});
  optimiser.add({"codes", {codes}, adam, 1});
  Dice dice(seed.stream("moves"));
  Recovered best;
  double lowest = INFINITY;
  const int64_t tenth = std::max<int64_t>(1, iterations / 10);
  for (int64_t t = 0; t < iterations; ++t) {
    const Tensor made = generator.forward(codes), seen = prepare(moved(made, knobs.crop_padding, knobs.flip, dice), spec);
    const Tensor constant = student ? student(seen.detach()) : Tensor();
    search::ZerothOrder estimate;
    if (net != nullptr) {
      const Tensor point = seen.detach().requires_grad_(true);
      const Tensor loss = recovery_loss(net->forward(point), targets, constant, lambda_adv);
      estimate = {torch::autograd::grad({loss.sum()}, {point}).front(), loss.detach()};
    } else {
      const Tensor directions = search::unit_directions(knobs.q * n, seen, seed.stream("directions", static_cast<uint64_t>(t)).generator());
      estimate = search::zeroth_order_gradient(
          seen, directions, knobs.mu,
          [&](const Tensor& points) { return recovery_loss(api.logits(points), targets, constant, lambda_adv); }, knobs.antithetic);
    }
    const Tensor surrogate = (seen * estimate.gradient).sum() / static_cast<double>(n);
    const double loss = estimate.loss.mean().item<double>(), score = knobs.keep == "surrogate" ? surrogate.item<double>()
                                                                     : knobs.keep == "loss"    ? loss
                                                                                               : -static_cast<double>(t);
    if (!std::isfinite(loss))
      throw DivergenceError(fmt::format("recovering images: the loss is not finite at step {}", t + 1), "lower knobs.generator_lr");
    if (score < lowest) {
      lowest = score;
      best.images = made.detach().mul(255).round().div(255);
    }
    if (t < tenth) best.first_loss += loss / static_cast<double>(tenth);
    if (t >= iterations - tenth) best.last_loss += loss / static_cast<double>(tenth);
    surrogate.backward();
    optimiser.step(1);
    optimiser.zero_grad();
  }
  return best;
}

}  // namespace retort::blackbox
