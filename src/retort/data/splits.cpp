// Parts of a data set: who is trained on, who is tested on, which labels are kept, which are wrong.
#include <algorithm>
#include <array>

#include "retort/base/error.h"
#include "retort/data/alterations.h"
#include "retort/data/sources.h"
#include "retort/data/table.h"

namespace retort {

namespace {

using Rows = std::vector<int64_t>;

Tensor tensor_of(const Rows& rows) { return at::tensor(rows, at::kLong); }

Rows shuffled(int64_t n, Seed seed) {
  const Tensor order = permutation(n, seed);
  return Rows(order.data_ptr<int64_t>(), order.data_ptr<int64_t>() + n);
}

// Only the rows of the wanted classes (and unlabelled ones), relabelled in the order given.
Dataset of_classes(const Dataset& data, const std::vector<int64_t>& classes) {
  if (classes.empty() || !data.size()) return data;
  std::vector<int64_t> renamed(static_cast<size_t>(data.classes()), -2);
  std::vector<std::string> names;
  for (int64_t c : classes) {
    if (c >= data.classes())
      throw ConfigError(fmt::format("data.classes: {} has classes 0 to {}, found {}", data.name, data.classes() - 1, c));
    if (renamed[static_cast<size_t>(c)] != -2) throw ConfigError(fmt::format("data.classes: class {} is given twice", c));
    renamed[static_cast<size_t>(c)] = static_cast<int64_t>(names.size());
    names.push_back(data.spec.classes[static_cast<size_t>(c)]);
  }
  Rows rows, labels;
  const int64_t* label = data.labels.data_ptr<int64_t>();
  for (int64_t i = 0; i < data.size(); ++i) {
    const int64_t now = label[i] < 0 ? -1 : renamed[static_cast<size_t>(label[i])];
    if (now != -2) rows.push_back(i), labels.push_back(now);
  }
  Dataset chosen = data.take(tensor_of(rows));
  chosen.labels = tensor_of(labels);
  chosen.spec.classes = std::move(names);
  return chosen;
}

// Joins classes into larger ones; the labels as they were stay as extra "fine_labels".
Dataset merged(Dataset data, const std::vector<int64_t>& merge) {
  if (merge.empty() || !data.size()) return data;
  if (static_cast<int64_t>(merge.size()) != data.classes())
    throw ConfigError(fmt::format("data.merge: expected one entry for each of {} classes, found {}", data.classes(), merge.size()),
                      "entry c says which class c becomes part of");
  const int64_t groups = *std::max_element(merge.begin(), merge.end()) + 1;
  std::vector<std::string> names(static_cast<size_t>(groups));
  for (size_t c = 0; c < merge.size(); ++c) {
    auto& name = names[static_cast<size_t>(merge[c])];
    name += (name.empty() ? "" : "+") + data.spec.classes[c];
  }
  for (size_t g = 0; g < names.size(); ++g)
    if (names[g].empty())
      throw ConfigError(fmt::format("data.merge: no class becomes part of {}", g), "number the new classes 0, 1, … without a gap");
  data.extra["fine_labels"] = data.labels;
  data.labels = data.labels.clone();
  int64_t* label = data.labels.data_ptr<int64_t>();
  for (int64_t i = 0; i < data.size(); ++i)
    if (label[i] >= 0) label[i] = merge[static_cast<size_t>(label[i])];
  data.spec.classes = std::move(names);
  return data;
}

struct Parts {
  Rows train, validation, test, unlabelled;  // positions in the source's training part; test stays empty beside an official one
};

// One permutation serves test, validation and train, in this order.
Parts cut(const Rows& order, const DataKnobs& knobs, bool official_test, const std::string& name) {
  const auto n = static_cast<int64_t>(order.size());
  int64_t test = official_test ? 0 : knobs.test;
  if (!official_test && !test) test = knobs.train ? n - knobs.train - knobs.validation : n / 4;
  const int64_t train = knobs.train ? knobs.train : n - test - knobs.validation;
  if (train < 1 || (!official_test && test < 1) || train + knobs.validation + test > n)
    throw ConfigError(fmt::format("data: {} has {} labelled rows{}; train = {}, validation = {}{} leave none for the rest or ask for more",
                                  name, n, official_test ? " beside its test part" : "", knobs.train, knobs.validation,
                                  official_test ? "" : fmt::format(", test = {}", knobs.test)),
                      "0 takes all that is left; a world is made as large as its rows= says");
  Parts parts;
  const auto at = order.begin();
  parts.test.assign(at, at + test);
  parts.validation.assign(at + test, at + test + knobs.validation);
  parts.train.assign(at + test + knobs.validation, at + test + knobs.validation + train);
  return parts;
}

// Takes labels away: what is left out of train goes to unlabelled.
void thin_labels(Parts& parts, const Dataset& data, const DataKnobs& knobs) {
  if (knobs.labels_per_class && knobs.label_fraction < 1)
    throw ConfigError("data: labels_per_class and label_fraction both choose the labelled rows", "set one of the two");
  const int64_t* label = data.labels.data_ptr<int64_t>();
  Rows kept;
  if (knobs.labels_per_class) {
    std::vector<int64_t> count(static_cast<size_t>(data.classes()));
    for (int64_t row : parts.train)
      (count[static_cast<size_t>(label[row])]++ < knobs.labels_per_class ? kept : parts.unlabelled).push_back(row);
    for (size_t c = 0; c < count.size(); ++c)
      if (count[c] < knobs.labels_per_class)
        throw ConfigError(fmt::format("data.labels_per_class: class '{}' has {} training rows, found {}", data.spec.classes[c], count[c],
                                      knobs.labels_per_class),
                          "ask for fewer, or raise data.train");
  } else {
    const auto keep = static_cast<int64_t>(std::llround(knobs.label_fraction * static_cast<double>(parts.train.size())));
    if (keep < 1)
      throw ConfigError(
          fmt::format("data.label_fraction: {} of {} training rows leaves no label", knobs.label_fraction, parts.train.size()));
    kept.assign(parts.train.begin(), parts.train.begin() + keep);
    parts.unlabelled.insert(parts.unlabelled.end(), parts.train.begin() + keep, parts.train.end());
  }
  parts.train = std::move(kept);
}

// Each label becomes another class with probability `share`; drawn by sample id, so that it does not depend on the other rows.
void flip_labels(Dataset& data, double share, Seed seed) {
  if (share <= 0) return;
  if (data.classes() < 2) throw ConfigError("data.label_noise: there is no other class to flip to", "label noise needs two classes");
  data.extra["clean_labels"] = data.labels.clone();
  int64_t* label = data.labels.data_ptr<int64_t>();
  for (int64_t i = 0; i < data.size(); ++i) {
    Dice dice(seed.stream("flip", static_cast<uint64_t>(data.ids.data_ptr<int64_t>()[i])));
    if (dice.chance(share)) label[i] = (label[i] + 1 + dice.below(data.classes() - 1)) % data.classes();
  }
}

// The turns are kept as a second label.
void turn_beside_labels(Dataset& data, Seed seed) {
  if (!data.size()) return;
  if (data.spec.shape.size() != 3 || data.spec.shape[1] != data.spec.shape[2])
    throw ConfigError(fmt::format("data.turn: needs square images, {} has rows [{}]", data.name, fmt::join(data.spec.shape, ",")),
                      "set data.resize, or take the key out");
  data.extra["rotation"] = turn_images(data, seed);
}

struct Spread {
  double mean, deviation, low, high;
};

// Of bytes by counting them, which is exact and needs no second copy of a large set.
Spread byte_spread(const Tensor& values) {
  std::array<int64_t, 256> counts{};
  const Tensor bytes = values.contiguous();
  const uint8_t* byte = bytes.data_ptr<uint8_t>();
  for (int64_t i = 0; i < bytes.numel(); ++i) ++counts[byte[i]];
  double sum = 0, squares = 0;
  for (int v = 0; v < 256; ++v) sum += v * static_cast<double>(counts[v]), squares += v * v * static_cast<double>(counts[v]);
  const double n = static_cast<double>(bytes.numel()), mean = sum / n;
  return {mean / 255, std::sqrt(std::max(0.0, squares / n - mean * mean)) / 255, 0, 1};
}

Spread spread(const Tensor& values) {
  if (values.scalar_type() == at::kByte) return byte_spread(values);
  const Tensor wide = values.to(at::kDouble);
  return {wide.mean().item<double>(), wide.std(/*unbiased=*/false).item<double>(), wide.min().item<double>(), wide.max().item<double>()};
}

// mean and deviation that bring the training rows to what `normalise` says. See InputSpec.
void fit_scale(InputSpec& spec, const Tensor& inputs, const std::string& normalise) {
  const bool bytes = inputs.scalar_type() == at::kByte;
  const int64_t channels = spec.shape[spec.images() ? spec.shape.size() - 3 : 0];
  if (normalise == "none") {
    if (bytes) spec.mean.assign(static_cast<size_t>(channels), 0), spec.deviation.assign(static_cast<size_t>(channels), 1.0 / 255);
    return;
  }
  if (normalise == "unit" && bytes) return;  // scaled to [0,1] already
  for (int64_t c = 0; c < channels; ++c) {
    const Spread s = spread(inputs.select(spec.images() ? inputs.dim() - 3 : 1, c));
    const auto [shift, scale] = normalise == "unit" ? std::pair{s.low, s.high - s.low} : std::pair{s.mean, s.deviation};
    spec.mean.push_back(shift);
    spec.deviation.push_back(scale > 1e-8 ? scale : 1);  // a channel of one value becomes 0
  }
}

// The training inputs, with a label or without.
Tensor training_inputs(const Splits& splits) {
  return splits.unlabelled.size() ? at::cat({splits.train.inputs, splits.unlabelled.inputs}) : splits.train.inputs;
}

void check_columns(const nlohmann::json& raw, const nlohmann::json& fitted, const std::string& name) {
  const auto& found = raw.at("columns");
  const auto& expected = fitted.at("columns");
  const std::string hint = "give the table with the columns that the teacher was trained on";
  if (found.size() != expected.size())
    throw DataError(fmt::format("{}: {} columns, and the teacher reads {}", name, found.size(), expected.size()), hint);
  const auto is = [](const nlohmann::json& column) {
    return fmt::format("'{}' ({})", column.at("name").get<std::string>(), column.at("type").get<std::string>());
  };
  for (size_t c = 0; c < found.size(); ++c) {
    if (is(found[c]) != is(expected[c]))
      throw DataError(fmt::format("{}: column {} is {}, and the teacher reads {}", name, c + 1, is(found[c]), is(expected[c])), hint);
  }
}

// The preparation as `reads` has it, for inputs like those of `raw`.
InputSpec adopted(InputSpec raw, const InputSpec& reads, const std::string& name) {
  if (raw.table.is_null() != reads.table.is_null()) {
    throw DataError(fmt::format("{}: {}, and the teacher reads {}", name, raw.table.is_null() ? "not a table" : "a table",
                                reads.table.is_null() ? "other inputs" : "tables"));
  }
  if (!raw.table.is_null()) {
    check_columns(raw.table, reads.table, name);
  } else if (raw.shape != reads.shape) {
    throw DataError(fmt::format("{}: samples of shape [{}], and the teacher reads [{}]", name, fmt::join(raw.shape, ", "),
                                fmt::join(reads.shape, ", ")),
                    "bring images to the teacher's size with data.resize");
  }
  raw.shape = reads.shape, raw.mean = reads.mean, raw.deviation = reads.deviation, raw.table = reads.table;
  return raw;
}

// Fits the preparation on the training part, or takes it from `reads`, and gives it to all parts; raw tables become encoded rows here.
void fit_inputs(Splits& splits, const std::string& normalise, const InputSpec* reads) {
  InputSpec spec = splits.train.spec;
  const nlohmann::json raw_table = spec.table;
  if (reads) {
    spec = adopted(spec, *reads, splits.train.name);
  } else if (raw_table.is_null()) {
    fit_scale(spec, training_inputs(splits), normalise);
  } else {
    spec.table = fit_table(training_inputs(splits), raw_table, normalise, splits.train.name);
    spec.shape = {table_width(spec.table)};
  }
  for (Dataset* part : {&splits.train, &splits.unlabelled, &splits.validation, &splits.test}) {
    if (!raw_table.is_null() && part->inputs.defined()) part->inputs = encode_table(part->inputs, raw_table, spec.table);
    part->spec = spec;
  }
}

}  // namespace

Splits load_splits(const DataKnobs& knobs, Seed seed, const InputSpec* reads) {
  const Seed draws = (knobs.split_seed >= 0 ? Seed(static_cast<uint64_t>(knobs.split_seed)) : seed).stream("splits");
  const Source source = open_source(knobs, draws.stream("world"));
  const auto chosen = [&](const Dataset& part) {
    return altered(merged(of_classes(part, knobs.classes), knobs.merge), knobs, draws.stream("alterations"));
  };
  const Dataset pool = chosen(source.train), official = chosen(source.test);

  Rows labelled, never_labelled;
  for (int64_t row : shuffled(pool.size(), draws.stream("rows")))
    (pool.labels.data_ptr<int64_t>()[row] < 0 ? never_labelled : labelled).push_back(row);
  Parts parts = cut(labelled, knobs, official.size() > 0, knobs.source);
  parts.unlabelled = std::move(never_labelled);
  thin_labels(parts, pool, knobs);

  Splits splits;
  splits.train = pool.take(tensor_of(parts.train));
  splits.validation = pool.take(tensor_of(parts.validation));
  if (!official.size()) {
    splits.test = pool.take(tensor_of(parts.test));
  } else {
    if (knobs.test > official.size())
      throw ConfigError(fmt::format("data.test: the test part of {} has {} rows, found {}", knobs.source, official.size(), knobs.test),
                        "0 takes all of them");
    Rows rows = shuffled(official.size(), draws.stream("test"));
    if (knobs.test) rows.resize(static_cast<size_t>(knobs.test));
    std::sort(rows.begin(), rows.end());
    splits.test = official.take(tensor_of(rows));
  }
  if (knobs.keep_unlabelled) {
    splits.unlabelled = pool.take(tensor_of(parts.unlabelled));
    splits.unlabelled.labels.fill_(-1);
  }
  if (knobs.turn)
    for (Dataset* part : {&splits.train, &splits.unlabelled, &splits.validation, &splits.test})
      turn_beside_labels(*part, draws.stream("turns"));
  flip_labels(splits.train, knobs.label_noise, draws.stream("noise"));
  fit_inputs(splits, knobs.normalise, reads);
  return splits;
}

}  // namespace retort
