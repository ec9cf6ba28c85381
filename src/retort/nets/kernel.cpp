// Kernel machines: f(x) = k(x, points) coefficients. Points and gamma are buffers, filled by whoever fitted them; the coefficients are parameters.
#include "retort/nets/architectures.h"
#include "retort/stats/kernel_ridge.h"

namespace retort {
namespace {

std::optional<Net> make_kernel(const NetRequest& request) {
  NameReader name(request.name);
  std::string kind;
  int64_t points = 0;
  if (!name.text("kernel-")) return {};
  for (const std::string& known : kernel_names())
    if (kind.empty() && name.text(known)) kind = known;
  if (kind.empty() || !name.text("-") || !name.whole(points) || !name.end()) return {};
  const int64_t width = std::accumulate(request.input.begin(), request.input.end(), int64_t{1}, std::multiplies<>());
  NetBuilder b(request.seed);
  const Slot at_points = b.buffer("points", {points, width}, 0), gamma = b.buffer("gamma", {1}, 1),
             coefficients = b.param("coefficients", {points, request.outputs}, {});
  b.block("embedding", [=](const Tensor& x, const Frame& frame) {
    return gram({kind, frame.buffers[gamma].item<double>()}, x.flatten(1), frame.buffers[at_points]);
  });
  b.block("logits", [=](const Tensor& x, const Frame& frame) { return x.mm(frame.params[coefficients]); });
  return b.finish(request.spec(), request.input, request.outputs);
}

}  // namespace

Family kernel_family() {
  return {"kernel", "kernel-rbf-POINTS", "a kernel machine on so many points, as self-distill fits it; also laplace and linear",
          make_kernel};
}

}  // namespace retort
