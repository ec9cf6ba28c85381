// Dense detectors: class scores and a box at every location of a grid, one grid a stride.
//
//   dense-6-10-14[-s8]   stages of so many channels, each halving the map: the map of the second (stride 4) and of the third (stride 8) carry heads,
//                        joined top-down; -s8 keeps the third alone
// The head, shared by the strides, gives `classes` logits for independent sigmoids and four distances to the sides of the box.
#pragma once

#include "retort/nets/net.h"

namespace retort {

// Its output is raw, [batch, N, classes + 4]; spec() has "detects": classes. Inputs are images [c,h,w]. Throws ConfigError for another form of name.
Net make_dense_net(const std::string& name, const std::vector<int64_t>& input_shape, int64_t classes, Seed seed);
int64_t detected_classes(const Net& net);  // 0 for a net that is no detector

// Where the N locations lie, in pixels.
struct DenseGrid {
  struct Level {
    int64_t first, count, stride;
  };
  std::vector<Level> levels;  // finest first
  Tensor centres;             // [N, 2] x, y
  Tensor strides;             // [N, 1]
  int64_t size() const { return centres.size(0); }
};
DenseGrid dense_grid(const Net& net);  // throws ConfigError for a net that is no detector

struct DenseOutput {
  Tensor logits;  // [batch, N, classes]
  Tensor boxes;   // [batch, N, 4] in pixels: centre -+ stride * softplus(distance)
};
DenseOutput read_dense(const Tensor& raw, const DenseGrid& grid);

}  // namespace retort
