#include "retort/train/scorecard.h"

#include <chrono>

#include "retort/base/file.h"
#include "retort/data/image.h"
#include "retort/data/loader.h"

namespace retort {
namespace {

constexpr int64_t kShownDifferences = 24;

struct Column {
  const char *key, *title, *unit, *better;
  int digits;
};
constexpr Column kColumns[] = {
    {"accuracy", "accuracy", "%", "higher", 2},
    {"nll", "NLL", "", "lower", 4},
    {"ece", "ECE", "%", "lower", 2},
    {"agreement", "agrees with teacher", "%", "higher", 2},
    {"parameters", "parameters", "", "lower", 0},
    {"bytes", "file", "bytes", "lower", 0},
    {"latency_1", "latency, batch 1", "us/image", "lower", 1},
    {"latency_64", "latency, batch 64", "us/image", "lower", 2},
};

nlohmann::json reliability_panel(const std::string& name, const Tensor& logits, const Tensor& labels) {
  nlohmann::json bins = nlohmann::json::array();
  for (const auto& bin : reliability(logits, labels))
    bins.push_back({{"confidence", bin.confidence}, {"accuracy", bin.accuracy}, {"count", bin.count}});
  return {{"name", name}, {"bins", bins}};
}

nlohmann::json confusion_panel(const std::string& name, const Tensor& logits, const Dataset& test) {
  const Tensor counts = confusion_matrix(logits, test.labels, test.classes());
  nlohmann::json rows = nlohmann::json::array();
  for (int64_t i = 0; i < counts.size(0); ++i) {
    const Tensor row = counts[i].contiguous();
    rows.push_back(std::vector<int64_t>(row.data_ptr<int64_t>(), row.data_ptr<int64_t>() + row.numel()));
  }
  return {{"kind", "confusion"}, {"title", "Confusion of the " + name}, {"classes", test.spec.classes}, {"counts", rows}};
}

// The images on which the two decide differently, those first where the subject is surest.
nlohmann::json difference_panel(const Tensor& teacher, const std::string& name, const Tensor& logits, const Dataset& test) {
  const Tensor theirs = teacher.argmax(1), ours = logits.argmax(1), sure = std::get<0>(logits.softmax(1).max(1));
  const Tensor rows = theirs.ne(ours).nonzero().flatten();
  const Tensor order = rows.index_select(0, sure.index_select(0, rows).argsort(0, /*descending=*/true));
  nlohmann::json items = nlohmann::json::array();
  const auto& classes = test.spec.classes;
  for (int64_t i = 0; i < std::min(order.numel(), kShownDifferences); ++i) {
    const int64_t row = order[i].item<int64_t>();
    Tensor image = test.inputs[row];
    if (image.scalar_type() != at::kByte) image = image.clamp(0, 1).mul(255).to(at::kByte);
    items.push_back({{"png", base64(encode_png(image))},
                     {"caption", fmt::format("#{}: is {}, teacher {}, {} {} ({:.0f} %)", test.ids[row].item<int64_t>(),
                                             classes.at(test.labels[row].item<int64_t>()), classes.at(theirs[row].item<int64_t>()), name,
                                             classes.at(ours[row].item<int64_t>()), 100 * sure[row].item<double>())}});
  }
  return {{"kind", "images"},
          {"title", fmt::format("Where teacher and {} differ: {} of {} test images", name, rows.numel(), test.size())},
          {"items", items}};
}

}  // namespace

double latency_per_image(const Net& net, const Tensor& inputs, int64_t batch) {
  constexpr double kSeconds = 0.05;
  constexpr size_t kLeast = 5;
  at::NoGradGuard no_grad;
  const Net ready = net.frozen();
  const Tensor x = inputs.slice(0, 0, std::min(batch, inputs.size(0))).contiguous();
  ready.forward(x);
  std::vector<double> times;
  const auto begin = std::chrono::steady_clock::now();
  auto last = begin;
  while (times.size() < kLeast || std::chrono::duration<double>(last - begin).count() < kSeconds) {
    ready.forward(x);
    const auto now = std::chrono::steady_clock::now();
    times.push_back(std::chrono::duration<double>(now - last).count());
    last = now;
  }
  std::nth_element(times.begin(), times.begin() + static_cast<int64_t>(times.size() / 2), times.end());
  return 1e6 * times[times.size() / 2] / static_cast<double>(x.size(0));
}

void Scorecard::add(const std::string& name, const Tensor& logits, const Dataset& test, const Net* net, int64_t file_bytes,
                    const Tensor& teacher_logits, bool with_latency) {
  Row row{name, {}, logits};
  const Scores scores = score_classifier(logits, test.labels, teacher_logits);
  row.values = {{"accuracy", 100 * scores.accuracy},
                {"nll", scores.nll},
                {"ece", 100 * scores.ece},
                {"aurc", 1000 * scores.aurc},
                {"eaurc", 1000 * scores.eaurc}};
  if (scores.agreement >= 0) row.values["agreement"] = 100 * scores.agreement;
  if (file_bytes > 0) row.values["bytes"] = static_cast<double>(file_bytes);
  if (net != nullptr) {
    row.values["parameters"] = static_cast<double>(net->param_count());
    if (with_latency) {
      const Tensor inputs = prepared_inputs(test.take(at::arange(std::min<int64_t>(64, test.size()))));
      row.values["latency_1"] = latency_per_image(*net, inputs, 1);
      row.values["latency_64"] = latency_per_image(*net, inputs, 64);
    }
  }
  rows_.push_back(std::move(row));
}

void Scorecard::write_to(Outcome& outcome, const std::string& subject, const Dataset& test) const {
  outcome.table = {{"columns", nlohmann::json::array()}, {"rows", nlohmann::json::array()}};
  for (const auto& column : kColumns) {
    const bool used = std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) { return row.values.count(column.key) > 0; });
    if (used)
      outcome.table["columns"].push_back(
          {{"key", column.key}, {"title", column.title}, {"unit", column.unit}, {"better", column.better}, {"digits", column.digits}});
  }
  nlohmann::json diagrams = nlohmann::json::array();
  const Row* teacher = nullptr;
  const Row* own = nullptr;
  for (const auto& row : rows_) {
    outcome.table["rows"].push_back({{"name", row.name}, {"values", row.values}});
    diagrams.push_back(reliability_panel(row.name, row.logits, test.labels));
    if (row.name == "teacher") teacher = &row;
    if (row.name == subject) own = &row;
    for (const auto& [key, value] : row.values) outcome.metrics[row.name == subject ? key : row.name + "." + key] = value;
  }
  outcome.panels.push_back({{"kind", "reliability"}, {"title", "Reliability on the test part"}, {"series", diagrams}});
  if (own != nullptr) outcome.panels.push_back(confusion_panel(own->name, own->logits, test));
  const bool images = test.inputs.dim() == 4 && (test.inputs.size(1) == 1 || test.inputs.size(1) == 3);
  if (own != nullptr && teacher != nullptr && images)
    outcome.panels.push_back(difference_panel(teacher->logits, own->name, own->logits, test));
  for (const auto& panel : panels_) outcome.panels.push_back(panel);
}

std::string Scorecard::text() const {
  std::string lines = fmt::format("{:<12}", "");
  const auto used = [&](const Column& column) {
    return std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) { return row.values.count(column.key) > 0; });
  };
  const auto heading = [](const Column& column) {
    return *column.unit ? fmt::format("{} [{}]", column.title, column.unit) : std::string(column.title);
  };
  for (const auto& column : kColumns) {
    if (used(column)) lines += fmt::format("  {}", heading(column));
  }
  lines += "\n";
  for (const auto& row : rows_) {
    lines += fmt::format("{:<12}", row.name);
    for (const auto& column : kColumns) {
      if (!used(column)) continue;
      const auto value = row.values.find(column.key);
      lines += fmt::format("  {:>{}}", value == row.values.end() ? std::string("-") : fmt::format("{:.{}f}", value->second, column.digits),
                           heading(column).size());
    }
    lines += "\n";
  }
  return lines;
}

}  // namespace retort
