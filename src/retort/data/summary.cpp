#include "retort/data/summary.h"

#include "retort/base/error.h"

namespace retort {

namespace {

using Json = nlohmann::json;

std::vector<int64_t> class_counts(const Dataset& data, int64_t classes) {
  std::vector<int64_t> counts(static_cast<size_t>(classes));
  for (int64_t i = 0; i < data.size(); ++i)
    if (const int64_t label = data.labels.data_ptr<int64_t>()[i]; label >= 0) ++counts[static_cast<size_t>(label)];
  return counts;
}

Json summarise_columns(const Dataset& data) {
  Json columns = Json::array();
  const auto& described = data.spec.table.at("columns");
  for (size_t c = 0; c < described.size(); ++c) {
    const Tensor cells = data.inputs.select(1, static_cast<int64_t>(c)), gone = cells.isnan();
    Json column{{"name", described[c].at("name")}, {"type", described[c].at("type")}, {"missing", gone.sum().item<int64_t>()}};
    const Tensor present = cells.masked_select(gone.logical_not());
    if (column["type"] == "number")
      column["range"] = {present.min().item<double>(), present.max().item<double>()};
    else
      column["values"] = described[c].at("values").size();
    columns.push_back(std::move(column));
  }
  return columns;
}

// Points as dots, a class a shade.
Tensor scatter(const Dataset& data) {
  constexpr int64_t kSide = 256;
  Tensor image = at::zeros({1, 1, kSide, kSide}, at::kByte);
  const double reach = 1.05 * data.inputs.abs().max().item<double>() + 1e-9;
  const auto point = data.inputs.accessor<float, 2>();
  auto pixel = image.accessor<uint8_t, 4>();
  for (int64_t i = 0; i < data.size(); ++i) {
    const auto x = static_cast<int64_t>((point[i][0] / reach + 1) / 2 * kSide),
               y = static_cast<int64_t>((1 - point[i][1] / reach) / 2 * kSide);
    const double shade = data.classes() > 1
                             ? static_cast<double>(data.labels.data_ptr<int64_t>()[i]) / static_cast<double>(data.classes() - 1)
                             : 1;
    pixel[0][0][std::clamp<int64_t>(y, 0, kSide - 1)][std::clamp<int64_t>(x, 0, kSide - 1)] = static_cast<uint8_t>(95 + 160 * shade);
  }
  return image;
}

}  // namespace

Json summarise(const Source& source) {
  const Dataset& data = source.train;
  Json summary{{"name", data.name},
               {"kind", source.kind},
               {"rows", data.size()},
               {"test_rows", source.test.size()},
               {"shape", data.spec.shape},
               {"type", data.inputs.scalar_type() == at::kByte    ? "uint8"
                        : data.inputs.scalar_type() == at::kFloat ? "float32"
                                                                  : "mixed"}};
  if (!source.path.empty()) summary["path"] = source.path;
  const auto train = class_counts(data, data.classes()), test = class_counts(source.test, data.classes());
  summary["classes"] = Json::array();
  for (size_t c = 0; c < train.size(); ++c)
    summary["classes"].push_back({{"name", data.spec.classes[c]}, {"train", train[c]}, {"test", test[c]}});
  summary["unlabelled"] = data.labels.lt(0).sum().item<int64_t>();
  const Tensor ids = data.ids.narrow(0, 0, std::min<int64_t>(5, data.size()));
  summary["first_ids"] = std::vector<int64_t>(ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.size(0));
  if (!data.spec.table.is_null()) {
    summary["columns"] = summarise_columns(data);
    return summary;
  }
  summary["range"] = {data.inputs.min().item<double>(), data.inputs.max().item<double>()};
  const int64_t axis = data.spec.images() ? data.inputs.dim() - 3 : 1;
  summary["mean"] = Json::array();
  for (int64_t c = 0; c < data.inputs.size(axis); ++c)
    summary["mean"].push_back(data.inputs.select(axis, c).mean(at::kDouble).item<double>());
  for (const auto& [name, tensor] : data.extra) summary["extra"][name] = tensor.sizes().vec();
  return summary;
}

Tensor sample_images(const Source& source, int64_t columns) {
  const Dataset& data = source.train;
  if (!data.spec.table.is_null()) throw DataError(data.name + ": a table has no images to show");
  if (!data.spec.images()) return scatter(data);
  const int64_t each = data.spec.shape.size() == 4 ? 1 : columns;
  std::vector<int64_t> rows;
  for (int64_t c = 0; c < std::min<int64_t>(data.classes(), 20); ++c) {
    int64_t found = 0;
    for (int64_t i = 0; i < data.size() && found < each; ++i)
      if (data.labels.data_ptr<int64_t>()[i] == c) rows.push_back(i), ++found;
  }
  return data.inputs.index_select(0, at::tensor(rows, at::kLong));
}

}  // namespace retort
