#include "retort/nets/pruning.h"

namespace retort {
namespace {

bool is_weight(const Tensor& param) { return param.dim() >= 2; }

}  // namespace

Tensors full_masks(const Net& net) {
  Tensors masks;
  for (const Tensor& param : net.params()) masks.push_back(at::ones_like(param.detach()));
  return masks;
}

Tensors pruned_masks(const Net& net, const Tensors& masks, double share) {
  Tensors sizes;
  for (size_t i = 0; i < masks.size(); ++i) {
    if (is_weight(masks[i])) sizes.push_back(net.params()[i].detach().abs().masked_select(masks[i] > 0));
  }
  const Tensor all = at::cat(sizes);
  const auto gone = static_cast<int64_t>(share * static_cast<double>(all.numel()));
  if (gone < 1) return masks;
  const Tensor order = all.argsort(), left = at::ones_like(all).index_fill_(0, order.narrow(0, 0, gone), 0);
  Tensors pruned;
  int64_t first = 0;
  for (const Tensor& mask : masks) {
    pruned.push_back(mask.clone());
    if (!is_weight(mask)) continue;
    const int64_t kept = mask.sum().item<int64_t>();
    pruned.back().masked_scatter_(mask > 0, left.narrow(0, first, kept));
    first += kept;
  }
  return pruned;
}

void apply_masks(Net& net, const Tensors& masks) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < masks.size(); ++i) {
    Tensor param = net.params()[i];
    if (is_weight(param)) param.mul_(masks[i]);
  }
}

double sparsity(const Tensors& masks) {
  double all = 0, kept = 0;
  for (const Tensor& mask : masks) {
    if (!is_weight(mask)) continue;
    all += static_cast<double>(mask.numel());
    kept += mask.sum().item<double>();
  }
  return all > 0 ? 1 - kept / all : 0;
}

}  // namespace retort
