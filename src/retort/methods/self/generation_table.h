// What a run of generations shows of each of them.
#pragma once

#include <optional>

#include "retort/train/classifier.h"

namespace retort::self {

class GenerationTable {
 public:
  // A row "generation<g>" of the scorecard. `estimate`: what the closed form said of the weight; `held_out_loss`: mean squared error of the answers on
  // the validation part, NaN without one.
  void add(ClassifierRun& c, int64_t generation, double gt_weight, std::optional<double> estimate, const Net& net, double held_out_loss);
  size_t best() const;  // index of the row with the smallest held-out loss
  // A chart, a table, and the metrics gt_weight<g> and held_out<g>; `kept`: the index of the generation that becomes the student.
  void write_to(ClassifierRun& c, size_t kept) const;

 private:
  struct Row {
    int64_t generation;
    double gt_weight, held_out_loss, accuracy;
    std::optional<double> estimate;
  };
  std::vector<Row> rows_;
};

}  // namespace retort::self
