#include "retort/train/episodes.h"

#include "tests/support.h"

namespace retort {
namespace {

// Image i of class c is the number 100 c + i.
Tensors numbered(const std::vector<int64_t>& sizes) {
  Tensors pools;
  for (size_t c = 0; c < sizes.size(); ++c)
    pools.push_back(sizes[c] == 0 ? Tensor() : at::arange(sizes[c]).to(at::kFloat) + 100 * static_cast<double>(c));
  return pools;
}

TEST(Episodes, DifferentClassesAndNoImageTwice) {
  Dice dice(Seed(1));
  for (int round = 0; round < 50; ++round) {
    const Episode task = draw_episode(numbered({9, 4, 0, 12, 8, 8}), 3, 2, 4, dice);
    EXPECT_EQ(std::set<int64_t>(task.classes.begin(), task.classes.end()).size(), 3u);
    const Tensor all = at::cat({task.support, task.query});
    EXPECT_EQ(std::get<0>(at::_unique(all)).size(0), 3 * (2 + 4));
    for (int64_t i = 0; i < task.query.size(0); ++i) {
      EXPECT_EQ(static_cast<int64_t>(task.query[i].item<double>()) / 100,
                task.classes[static_cast<size_t>(task.query_labels[i].item<int64_t>())]);
    }
    EXPECT_EQ(task.support_labels.size(0), 6);
    EXPECT_EQ(std::count(task.classes.begin(), task.classes.end(), 1) + std::count(task.classes.begin(), task.classes.end(), 2), 0);
  }
}

TEST(Episodes, RefusesWhatTheMemoryDoesNotHold) {
  Dice dice(Seed(1));
  EXPECT_EQ(caught<ConfigError>([&] {
              draw_episode(numbered({9, 4, 5}), 3, 2, 4, dice);
            }).line,
            "a task of 3 classes with 2 + 4 images each: 1 classes have as many (the largest has 9)");
}

TEST(Episodes, TheOldestImagesGo) {
  ClassMemory memory(2, 5);
  memory.put(1, at::arange(4).to(at::kFloat));
  memory.put(1, at::arange(4, 7).to(at::kFloat));
  EXPECT_EQ(memory.size(0), 0);
  EXPECT_TRUE(at::equal(memory.pools()[1], at::arange(2, 7).to(at::kFloat)));
  EXPECT_EQ(memory.classes_with(5), 1);
  ClassMemory other(2, 5);
  other.load(memory.state());
  EXPECT_TRUE(at::equal(other.pools()[1], memory.pools()[1]));
  EXPECT_FALSE(other.pools()[0].defined());
}

}  // namespace
}  // namespace retort
