#include "retort/cli/parts.h"

namespace retort {
namespace {

Dataset joined(const Dataset& first, const std::vector<const Dataset*>& others) {
  Dataset all = first;
  for (const Dataset* more : others) {
    if (more->size() == 0) continue;
    all.inputs = at::cat({all.inputs, more->inputs});
    all.labels = at::cat({all.labels, more->labels});
    all.ids = at::cat({all.ids, more->ids});
  }
  all.extra.clear();
  return all;
}

}  // namespace

Dataset part_of(const Splits& splits, const std::string& part) {
  if (part == "train") return splits.train;
  if (part == "validation") return splits.validation;
  if (part == "test") return splits.test;
  return joined(splits.train, {&splits.unlabelled, &splits.validation, &splits.test});
}

Dataset learnt_from(const Splits& splits) { return joined(splits.train, {&splits.unlabelled}); }

}  // namespace retort
