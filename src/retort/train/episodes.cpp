#include "retort/train/episodes.h"

#include "retort/base/error.h"

namespace retort {
namespace {

int64_t images_of(const Tensor& pool) { return pool.defined() ? pool.size(0) : 0; }

// `count` different numbers below n, in random order.
std::vector<int64_t> drawn(int64_t n, int64_t count, Dice& dice) {
  std::vector<int64_t> all(static_cast<size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  for (int64_t i = 0; i < count; ++i) std::swap(all[static_cast<size_t>(i)], all[static_cast<size_t>(i + dice.below(n - i))]);
  all.resize(static_cast<size_t>(count));
  return all;
}

}  // namespace

Episode draw_episode(const Tensors& pools, int64_t ways, int64_t shots, int64_t queries, Dice& dice) {
  if (ways < 1 || shots < 1 || queries < 1)
    throw ConfigError(fmt::format("a task of {} ways, {} shots and {} queries: expected at least 1 of each", ways, shots, queries));
  std::vector<int64_t> rich;
  int64_t most = 0;
  for (size_t c = 0; c < pools.size(); ++c) {
    most = std::max(most, images_of(pools[c]));
    if (images_of(pools[c]) >= shots + queries) rich.push_back(static_cast<int64_t>(c));
  }
  if (static_cast<int64_t>(rich.size()) < ways) {
    throw ConfigError(fmt::format("a task of {} classes with {} + {} images each: {} classes have as many (the largest has {})", ways,
                                  shots, queries, rich.size(), most),
                      "ask for fewer ways or images");
  }
  Episode episode;
  Tensors support, query;
  for (const int64_t place : drawn(static_cast<int64_t>(rich.size()), ways, dice)) {
    const int64_t c = rich[static_cast<size_t>(place)];
    const Tensor& pool = pools[static_cast<size_t>(c)];
    const Tensor rows = at::tensor(drawn(pool.size(0), shots + queries, dice), at::kLong);
    support.push_back(pool.index_select(0, rows.slice(0, 0, shots)));
    query.push_back(pool.index_select(0, rows.slice(0, shots)));
    episode.classes.push_back(c);
  }
  episode.support = at::cat(support);
  episode.query = at::cat(query);
  episode.support_labels = at::arange(ways, at::kLong).repeat_interleave(shots);
  episode.query_labels = at::arange(ways, at::kLong).repeat_interleave(queries);
  return episode;
}

ClassMemory::ClassMemory(int64_t classes, int64_t capacity) : capacity_(capacity), pools_(static_cast<size_t>(classes)) {
  if (classes < 1 || capacity < 1)
    throw ConfigError(fmt::format("a memory of {} classes and {} images each: expected at least 1", classes, capacity));
}

void ClassMemory::put(int64_t label, const Tensor& images) {
  Tensor& pool = pools_.at(static_cast<size_t>(label));
  Tensor all = pool.defined() ? at::cat({pool, images}) : images;
  pool = all.slice(0, std::max<int64_t>(0, all.size(0) - capacity_)).clone();
}

int64_t ClassMemory::size(int64_t label) const { return images_of(pools_.at(static_cast<size_t>(label))); }

int64_t ClassMemory::classes_with(int64_t images) const {
  return std::count_if(pools_.begin(), pools_.end(), [&](const Tensor& pool) { return images_of(pool) >= images; });
}

State ClassMemory::state() const {
  State state;
  for (size_t c = 0; c < pools_.size(); ++c) {
    if (images_of(pools_[c]) > 0) state.tensors[std::to_string(c)] = pools_[c];
  }
  return state;
}

void ClassMemory::load(const State& state) {
  std::fill(pools_.begin(), pools_.end(), Tensor());
  for (const auto& [name, images] : state.tensors) pools_.at(std::stoul(name)) = images;
}

}  // namespace retort
