// Few-shot tasks: a handful of classes, some images of each to learn from and others to be asked about; and a memory of images by class to draw them from.
#pragma once

#include <vector>

#include "retort/base/checkpoint.h"
#include "retort/nets/net.h"

namespace retort {

struct Episode {
  Tensor support, query;                // [ways * shots, …], [ways * queries, …], class by class
  Tensor support_labels, query_labels;  // int64, 0 … ways-1
  std::vector<int64_t> classes;         // which class of the pools each label is
};
// `ways` different classes that have shots + queries images, and as many different images of each. pools: [n_c, …] a class, undefined or empty where there
// are none. Throws ConfigError where fewer classes have enough.
Episode draw_episode(const Tensors& pools, int64_t ways, int64_t shots, int64_t queries, Dice& dice);

// Keeps the last `capacity` images of each class.
class ClassMemory {
 public:
  ClassMemory(int64_t classes, int64_t capacity);
  void put(int64_t label, const Tensor& images);  // [n, …]; the oldest go when there is no room
  const Tensors& pools() const { return pools_; }
  int64_t size(int64_t label) const;
  int64_t classes_with(int64_t images) const;  // how many classes have at least so many
  State state() const;
  void load(const State& state);

 private:
  int64_t capacity_;
  Tensors pools_;  // [up to capacity, …], oldest first
};

}  // namespace retort
