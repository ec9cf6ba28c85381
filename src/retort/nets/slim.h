// Narrower nets cut out of a wider one, whole groups of weights at a time: units of an mlp, channels of a cnn, heads and feed-forward units of a vit.
//
// The groups of a layer are put in order once; a narrower net then holds the first of them, so that candidates of all sizes are nested in one set of
// weights.
#pragma once

#include "retort/nets/net.h"

namespace retort {

// Where a layer's groups lie in a tensor: `dim` is `repeats` stretches (such as queries, keys and values) of groups x size entries.
struct Cut {
  std::string tensor;
  int64_t dim = 0, size = 1, repeats = 1;
};
struct PrunableLayer {
  std::string name;
  int64_t groups;
  std::vector<Cut> cuts;
};
// Throws ConfigError for an architecture without groups that could be left out.
std::vector<PrunableLayer> prunable_layers(const Net& net);

using Groups = std::vector<int64_t>;  // how many groups a layer keeps, in the order of prunable_layers

// The share of the parameters that stay with so many groups; and the groups, the same share of every layer, whose scale is nearest to `scale`. Throws
// ConfigError for a scale outside (0, 1], or below what the net has with one group a layer.
double scale_of(const Net& net, const Groups& kept);
Groups groups_for_scale(const Net& net, double scale);

// First-order Taylor importance of every group (Molchanov et al. 2019): |sum over its weights of w * dL/dw|, [groups] a layer. `gradients`: as params().
std::vector<Tensor> taylor_importance(const Net& net, const Tensors& gradients);
// The same net with the groups of each layer in the given order ([groups] int64 a layer): another net, the same function.
Net reordered(const Net& net, const std::vector<Tensor>& orders);

// A net of the narrower architecture, with the first groups of `wide` copied in, running statistics too.
Net cut_out(const Net& wide, const Groups& kept);
// The same values as parameters for that net's forward_with(): slices of `wide`'s own tensors, gradients flow to them.
Tensors leading_params(const Net& wide, const Groups& kept);

}  // namespace retort
