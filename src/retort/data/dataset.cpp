#include "retort/data/dataset.h"

#include "retort/base/error.h"
#include "retort/data/table.h"

namespace retort {

nlohmann::json InputSpec::to_json() const {
  nlohmann::json value{{"shape", shape}, {"classes", classes}};
  if (!mean.empty()) value["mean"] = mean, value["deviation"] = deviation;
  if (!table.is_null()) value["table"] = table;
  return value;
}

InputSpec InputSpec::from_json(const nlohmann::json& value, const std::string& where) {
  auto wrong = [&](const std::string& what) {
    return DataError(where + ": " + what, "the file is damaged or was written by hand; save the model again");
  };
  if (!value.is_object()) throw wrong("the description of the inputs must be an object");
  InputSpec spec;
  try {
    spec.shape = value.at("shape").get<std::vector<int64_t>>();
    spec.classes = value.at("classes").get<std::vector<std::string>>();
    spec.mean = value.value("mean", std::vector<double>{});
    spec.deviation = value.value("deviation", std::vector<double>{});
    spec.table = value.value("table", nlohmann::json());
  } catch (const nlohmann::json::exception&) {
    throw wrong("inputs need \"shape\" (whole numbers), \"classes\" (texts) and, where given, \"mean\" and \"deviation\" (numbers)");
  }
  if (spec.shape.empty() || spec.shape.size() > 4) throw wrong(fmt::format("inputs have 1 to 4 dimensions, found {}", spec.shape.size()));
  for (int64_t extent : spec.shape)
    if (extent < 1 || extent > (int64_t{1} << 24)) throw wrong(fmt::format("an input dimension must be 1 to 2^24, found {}", extent));
  if (spec.mean.size() != spec.deviation.size())
    throw wrong(fmt::format("\"mean\" has {} entries and \"deviation\" {}; expected as many", spec.mean.size(), spec.deviation.size()));
  const size_t channels = static_cast<size_t>(spec.images() ? spec.shape[spec.shape.size() - 3] : spec.shape[0]);
  if (!spec.mean.empty() && spec.mean.size() != channels)
    throw wrong(fmt::format("\"mean\" has {} entries; expected one per channel: {}", spec.mean.size(), channels));
  for (double deviation : spec.deviation)
    if (!(deviation > 0) || !std::isfinite(deviation)) throw wrong(fmt::format("a deviation must be above 0, found {}", deviation));
  if (!spec.table.is_null()) check_table(spec.table, spec.shape[0], where);
  return spec;
}

Dataset Dataset::take(const Tensor& rows) const {
  Dataset part{name, inputs.index_select(0, rows), labels.index_select(0, rows), ids.index_select(0, rows), {}, spec};
  for (const auto& [key, tensor] : extra) part.extra[key] = tensor.index_select(0, rows);
  return part;
}

void DataKnobs::describe(Knobs& knobs) {
  knobs("source", source,
        "a name of `retort data list`, a path (IDX or CIFAR folder, image folder, text folder, .csv, .tsv), chars:TEXT for the next "
        "character, or a generated world such as world:moons");
  knobs("train", train, "training rows; 0 for all that is left", at_least(0));
  knobs("validation", validation, "validation rows, taken from the training rows; 0 for none", at_least(0));
  knobs("test", test,
        "test rows; 0 for the whole official test part or, without one, what train and validation leave (a quarter when train is 0 too)",
        at_least(0));
  knobs("split_seed", split_seed, "seed of the splits and of label noise; -1 derives it from the run's seed", at_least(-1));
  knobs("labels_per_class", labels_per_class, "keep so many training labels of each class; 0 for all", at_least(0));
  knobs("label_fraction", label_fraction, "keep this share of the training labels", between(0, 1));
  knobs("keep_unlabelled", keep_unlabelled, "training rows that lose their label become the unlabelled part, instead of being left out");
  knobs("label_noise", label_noise, "share of training labels replaced by another class, drawn uniformly", between(0, 1));
  knobs("classes", classes, "use only these class numbers, relabelled 0, 1, … in this order; empty for all", at_least(0));
  knobs("merge", merge,
        "the class that each class (of those in use) becomes part of, such as [0,1,0,1] for even and odd; empty keeps them apart",
        at_least(0));
  knobs("task", task, "labels: what the data say; rotation: how far each image has been turned, by quarters",
        one_of({"labels", "rotation"}));
  knobs("displace", displace, "move every image once by up to so many pixels each way, filled with black", at_least(0));
  knobs("invert", invert, "swap dark and bright");
  knobs("resize", resize, "side in pixels that images are brought to (average pooling where it divides evenly); 0 leaves them",
        at_least(0));
  knobs("text_features", text_features,
        "texts: how many features their hashed words and pairs of words share; take normalise = \"none\" with them", at_least(1));
  knobs("grey", grey, "turn colour images grey");
  knobs("turn", turn, "turn every image by a random number of quarter turns; how many becomes a second label, \"rotation\"");
  knobs("normalise", normalise, "standard: mean 0 and deviation 1 on the training part; unit: [0, 1]; none: values as stored",
        one_of({"standard", "unit", "none"}));
  knobs("label", label, "tables: the label column by name, or by number from 0 (negative: from the end); empty for the last one");
  knobs("header", header, "tables: whether the first line names the columns; auto: it does when none of its cells is a number",
        one_of({"auto", "yes", "no"}));
  knobs("columns", columns, "tables: feature columns to use, by name or number; with a leading - a column to leave out; empty for all");
  knobs("missing", missing, "tables: cells that mean a missing value");
}

Tensor prepare(const Tensor& raw, const InputSpec& spec) {
  Tensor x = raw.to(at::kFloat);
  const bool fresh = !x.is_same(raw);
  if (raw.scalar_type() == at::kByte) x.div_(255);
  if (spec.mean.empty()) return x;
  std::vector<int64_t> shape(static_cast<size_t>(raw.dim()), 1);
  shape[static_cast<size_t>(spec.images() ? raw.dim() - 3 : 1)] = static_cast<int64_t>(spec.mean.size());
  const Tensor mean = at::tensor(spec.mean, at::kFloat).view(shape), deviation = at::tensor(spec.deviation, at::kFloat).view(shape);
  return fresh ? x.sub_(mean).div_(deviation) : (x - mean) / deviation;
}

}  // namespace retort
