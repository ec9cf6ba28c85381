#include "retort/methods/features/block_cuts.h"

#include <numeric>

#include "retort/base/error.h"
#include "retort/nets/linear_map.h"
#include "retort/train/projector.h"

namespace retort::features {

size_t block_position(const Net& net, const std::string& block) {
  const auto& blocks = net.blocks();
  for (size_t i = 0; i < blocks.size(); ++i)
    if (blocks[i].name == block) return i;
  throw ConfigError(fmt::format("stablekd: {} is not a block of the student", block), "cut behind stages, such as hidden2 or stage1");
}

std::vector<Boundary> cut_points(const Net& student, const Teacher& teacher, int64_t blocks, const std::vector<std::string>& student_layers,
                                 const std::vector<std::string>& teacher_layers) {
  const auto wanted = static_cast<size_t>(blocks - 1);
  const auto chosen = [&](const std::vector<std::string>& given, const std::vector<std::string>& taps, const char* whose) {
    if (!given.empty() && given.size() != wanted)
      throw ConfigError(fmt::format("knobs.{}_layers: {} layers for the {} cuts of {} blocks", whose, given.size(), wanted, blocks),
                        "name one layer a cut, in order");
    if (!given.empty()) return given;
    const std::vector<std::string> stages = stage_taps(taps);
    if (stages.size() < wanted)
      throw ConfigError(
          fmt::format("knobs.blocks: {} blocks need {} cuts, and the {} has {} places for one", blocks, wanted, whose, stages.size()),
          fmt::format("set knobs.blocks = {} or less", stages.size() + 1));
    std::vector<std::string> cuts;
    for (size_t j = 1; j <= wanted; ++j)
      cuts.push_back(stages[stages.size() == wanted ? j - 1 : j * stages.size() / static_cast<size_t>(blocks) - 1]);
    return cuts;
  };
  const auto ours = chosen(student_layers, student.tap_names(), "student"), theirs = chosen(teacher_layers, teacher.tap_names(), "teacher");
  std::vector<Boundary> boundaries;
  for (size_t j = 0; j < wanted; ++j) {
    block_position(student, ours[j]);
    try {
      linear_map(student.tap_shape(ours[j]), teacher.tap_shape(theirs[j]), Seed());
    } catch (const ConfigError& error) {
      throw ConfigError(fmt::format("stablekd: cut {} ({} of the student, {} of the teacher): {}", j + 1, ours[j], theirs[j], error.what()),
                        "name layers of equal extent in knobs.student_layers and knobs.teacher_layers");
    }
    boundaries.push_back({ours[j], theirs[j]});
  }
  return boundaries;
}

std::vector<Segments> merge_schedule(int64_t blocks, const std::string& order) {
  Segments now(static_cast<size_t>(blocks));
  std::iota(now.begin(), now.end(), int64_t{1});
  if (order == "whole") return {{blocks}};
  std::vector<Segments> stages = {now};
  if (order == "never") return stages;
  while (now.size() > 1) {
    if (order == "halves") {
      Segments joined;
      for (size_t i = 1; i < now.size(); i += 2) joined.push_back(now[i]);
      if (now.size() % 2 == 1) joined.push_back(now.back());
      now = joined;
    } else {
      now.erase(order == "front" ? now.begin() : now.end() - 2);
    }
    stages.push_back(now);
  }
  return stages;
}

std::vector<int64_t> stage_epochs(int64_t epochs, size_t stages, double apart, double merged) {
  const auto count = static_cast<int64_t>(stages);
  if (epochs < count)
    throw ConfigError(fmt::format("train.epochs: {} epochs for {} stages", epochs, count), "every stage takes at least one");
  if (stages == 1) return {epochs};
  std::vector<int64_t> lengths(stages, 1);
  const double total = static_cast<double>(epochs),
               between = stages > 2 ? std::max(0.0, 1 - apart - merged) / static_cast<double>(stages - 2) : 0;
  int64_t left = epochs - count;  // beyond one each
  for (size_t i = 0; i + 1 < stages; ++i) {
    const int64_t extra = std::clamp<int64_t>(std::llround(total * (i == 0 ? apart : between)) - 1, 0, left);
    lengths[i] += extra;
    left -= extra;
  }
  lengths.back() += left;
  return lengths;
}

}  // namespace retort::features
