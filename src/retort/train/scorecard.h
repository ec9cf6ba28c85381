// What a run has to show: one table row a model, and the panels of the report.
#pragma once

#include "retort/base/run.h"
#include "retort/data/dataset.h"
#include "retort/nets/net.h"
#include "retort/stats/classification.h"

namespace retort {

// Microseconds an image takes in a forward pass of the frozen net, the median of repeated passes of `batch` images on the current threads.
double latency_per_image(const Net& net, const Tensor& inputs, int64_t batch);

class Scorecard {
 public:
  // `logits`: on the test part, [n, classes]. `net` may be null (a teacher behind an API): its size and latency are then left out.
  void add(const std::string& name, const Tensor& logits, const Dataset& test, const Net* net, int64_t file_bytes,
           const Tensor& teacher_logits, bool with_latency);
  void add_panel(nlohmann::json panel) { panels_.push_back(std::move(panel)); }
  // Table, panels and metrics. The metrics are those of the row called `subject`; other rows' come as "<row>.<metric>".
  void write_to(Outcome& outcome, const std::string& subject, const Dataset& test) const;
  std::string text() const;  // the table for people

 private:
  struct Row {
    std::string name;
    std::map<std::string, double> values;
    Tensor logits;
  };
  std::vector<Row> rows_;
  nlohmann::json panels_ = nlohmann::json::array();
};

}  // namespace retort
