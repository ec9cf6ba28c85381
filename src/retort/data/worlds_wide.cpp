// Tables with many more columns than tell anything, whose truth is known.
#include "retort/base/error.h"
#include "retort/data/worlds.h"

namespace retort {
namespace {

constexpr int64_t kLinear = 8, kAbsolute = 2, kColumns = 500;

nlohmann::json table_of(const std::vector<std::string>& names) {
  nlohmann::json columns = nlohmann::json::array();
  for (size_t j = 0; j < names.size(); ++j) columns.push_back({{"name", names[j]}, {"at", j}, {"type", "number"}});
  return {{"fields", names.size() + 1}, {"label", names.size()}, {"header", true}, {"missing", {""}}, {"columns", std::move(columns)}};
}

// Signals are spread evenly over the columns: signal s stands in column place(s).
struct WideTruth {
  int64_t columns;
  std::vector<double> weights;  // of the linear ones
  int64_t place(int64_t signal) const { return signal * columns / (kLinear + kAbsolute); }

  double log_odds(const double* row) const {
    double sum = 0;
    for (int64_t s = 0; s < kLinear; ++s) sum += weights[static_cast<size_t>(s)] * row[place(s)];
    for (int64_t s = kLinear; s < kLinear + kAbsolute; ++s) sum += 1.5 * (std::abs(row[place(s)]) - 0.8);
    return 1.5 * sum;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (int64_t j = 0; j < columns; ++j) all.push_back(fmt::format("noise{}", j + 1));
    for (int64_t s = 0; s < kLinear + kAbsolute; ++s)
      all[static_cast<size_t>(place(s))] = s < kLinear ? fmt::format("linear{}", s + 1) : fmt::format("absolute{}", s - kLinear + 1);
    return all;
  }
};

Dataset wide_part(const WideTruth& truth, const nlohmann::json& table, int64_t first, int64_t count, Seed seed) {
  Dataset data;
  data.inputs = at::empty({count, truth.columns}, at::kDouble);
  data.labels = at::empty({count}, at::kLong);
  data.ids = at::arange(first, first + count, at::kLong);
  Tensor probability = at::empty({count}, at::kDouble);
  double* row = data.inputs.data_ptr<double>();
  for (int64_t i = 0; i < count; ++i, row += truth.columns) {
    Dice dice(seed.stream("row", static_cast<uint64_t>(first + i)));
    for (int64_t j = 0; j < truth.columns; ++j) row[j] = dice.normal();
    const double chance = 1 / (1 + std::exp(-truth.log_odds(row)));
    probability.data_ptr<double>()[i] = chance;
    data.labels.data_ptr<int64_t>()[i] = dice.chance(chance);
  }
  data.extra["probability"] = probability;
  data.spec.shape = {truth.columns};
  data.spec.classes = {"0", "1"};
  data.spec.table = table;
  return data;
}

void need_columns(int64_t columns, int64_t least) {
  if (columns < least) throw ConfigError(fmt::format("data.source: world option columns: expected at least {}, found {}", least, columns));
}

}  // namespace

Source wide_world(const WorldKnobs& knobs, Seed seed) {
  WideTruth truth{knobs.columns > 0 ? knobs.columns : kColumns, {}};
  need_columns(truth.columns, kLinear + kAbsolute);
  Dice dice(seed.stream("weights"));
  for (int64_t s = 0; s < kLinear; ++s) truth.weights.push_back((dice.chance(0.5) ? 1 : -1) * dice.uniform(0.8, 1.5));
  const nlohmann::json table = table_of(truth.names());
  return {wide_part(truth, table, 0, knobs.rows, seed), wide_part(truth, table, knobs.rows, knobs.test_rows, seed), "world", ""};
}

Source noisy_digits_world(const WorldKnobs& knobs, Seed seed) {
  DataKnobs digits;
  Source source = open_source(digits, seed);
  const Dataset& images = source.train;
  const int64_t side = images.spec.shape.back(), pixels = side * side, columns = knobs.columns > 0 ? knobs.columns : kColumns;
  need_columns(columns, pixels);
  std::vector<std::string> names;
  for (int64_t j = 0; j < pixels; ++j) names.push_back(fmt::format("pixel row {} column {}", j / side + 1, j % side + 1));
  for (int64_t j = pixels; j < columns; ++j) names.push_back(fmt::format("noise{}", j - pixels + 1));
  Dataset data;
  Tensor noise = at::empty({images.size(), columns - pixels}, at::kDouble);
  double* value = noise.data_ptr<double>();
  for (int64_t i = 0; i < images.size(); ++i) {
    Dice dice(seed.stream("row", static_cast<uint64_t>(i)));
    for (int64_t j = pixels; j < columns; ++j) *value++ = dice.normal();
  }
  data.inputs = at::cat({images.inputs.reshape({images.size(), pixels}).to(at::kDouble), noise}, 1);
  data.labels = images.labels;
  data.ids = images.ids;
  data.spec.shape = {columns};
  data.spec.classes = images.spec.classes;
  data.spec.table = table_of(names);
  const Tensor order = permutation(data.size(), seed.stream("parts"));  // a quarter of the images is the test part
  const int64_t kept = data.size() / 4;
  return {data.take(order.slice(0, kept)), data.take(order.slice(0, 0, kept)), "world", ""};
}

}  // namespace retort
