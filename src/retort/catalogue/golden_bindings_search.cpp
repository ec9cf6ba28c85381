// Gaussian processes, and methods that search.
#include "retort/base/error.h"
#include "retort/catalogue/golden_bindings.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/search/boss.h"
#include "retort/search/gaussian_process.h"

namespace retort {
namespace {

TensorMap boss_loss(const GoldenCase& c) {
  const Tensor& student = c["logits_student"];
  return {
      {"loss", search::boss_loss(student, c["logits_teacher"], losses::cross_entropy(student, c["target"]), c.number("alpha")).total()}};
}

TensorMap posterior(const GoldenCase& c) {
  const std::string name = c.word("kernel");
  if (name != "rbf" && name != "matern52") throw DataError(fmt::format("{}: no kernel is called {}", c.path, name), "rbf and matern52 are");
  const search::Kernel kernel{
      name == "rbf" ? search::KernelForm::rbf : search::KernelForm::matern52, {c.number("lengthscale")}, c.number("variance")};
  const search::GaussianProcess process(c["x_train"], c["y_train"], kernel, c.number("noise"), c.number("mean"));
  const search::Prediction prediction = process.at(c["x_test"]);
  const double best = c["y_train"].max().item<double>();
  return {{"mean", prediction.mean},
          {"mean_sum", prediction.mean.sum()},
          {"latent_variance", prediction.variance},
          {"log_marginal_likelihood", torch::tensor(process.log_marginal_likelihood())},
          {"ei_max", search::expected_improvement(prediction, best)}};
}

}  // namespace

GoldenTable search_bindings() {
  return {
      {"boss.loss", {boss_loss}},
      {"gp.posterior", {posterior, "mean_sum"}},
  };
}

}  // namespace retort
