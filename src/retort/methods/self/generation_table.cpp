#include "retort/methods/self/generation_table.h"

namespace retort::self {

void GenerationTable::add(ClassifierRun& c, int64_t generation, double gt_weight, std::optional<double> estimate, const Net& net,
                          double held_out_loss) {
  c.show(fmt::format("generation{}", generation), net);
  const double accuracy = 100 * score_classifier(c.test_logits(net), c.splits.test.labels).accuracy;
  rows_.push_back({generation, gt_weight, held_out_loss, accuracy, estimate});
}

size_t GenerationTable::best() const {
  const auto smallest = std::min_element(rows_.begin(), rows_.end(),
                                         [](const Row& a, const Row& b) { return a.held_out_loss < b.held_out_loss; });
  return static_cast<size_t>(smallest - rows_.begin());
}

void GenerationTable::write_to(ClassifierRun& c, size_t kept) const {
  using nlohmann::json;
  json points = json::array(), lines = json::array();
  auto& metrics = c.run.outcome.metrics;
  for (const Row& row : rows_) {
    points.push_back({row.generation, row.accuracy});
    json line = {{"generation", row.generation}, {"gt_weight", row.gt_weight}, {"accuracy", row.accuracy}};
    if (row.estimate) line["estimate"] = *row.estimate;
    if (std::isfinite(row.held_out_loss)) {
      line["held_out"] = row.held_out_loss;
      metrics[fmt::format("held_out{}", row.generation)] = row.held_out_loss;
    }
    lines.push_back(std::move(line));
    metrics[fmt::format("gt_weight{}", row.generation)] = row.gt_weight;
  }
  metrics["kept_generation"] = static_cast<double>(rows_[kept].generation);
  c.card.add_panel({{"kind", "lines"},
                    {"title", "Accuracy by generation"},
                    {"x", "generation"},
                    {"y", "%"},
                    {"series", {{{"name", "test part"}, {"points", points}}}}});
  c.card.add_panel({{"kind", "table"},
                    {"title", "Generations"},
                    {"note", fmt::format("Generation {} is the student.", rows_[kept].generation)},
                    {"columns",
                     {{{"key", "generation"}, {"title", "generation"}, {"digits", 0}},
                      {{"key", "gt_weight"}, {"title", "weight of the labels"}, {"digits", 3}},
                      {{"key", "estimate"}, {"title", "its closed form"}, {"digits", 3}},
                      {{"key", "held_out"}, {"title", "squared error, validation"}, {"digits", 4}},
                      {{"key", "accuracy"}, {"title", "accuracy"}, {"unit", "%"}, {"digits", 2}}}},
                    {"rows", lines}});
}

}  // namespace retort::self
