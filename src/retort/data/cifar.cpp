#include "retort/data/cifar.h"

#include <cstring>
#include <filesystem>
#include <sstream>

#include "retort/base/error.h"
#include "retort/base/file.h"

namespace retort {

namespace {

constexpr int64_t kPixels = 3 * 32 * 32;

std::string with_gz(const std::string& path) {
  for (const auto& name : {path, path + ".gz"})
    if (std::filesystem::exists(name)) return name;
  return {};
}

// CIFAR-10's five batches, those that are there.
std::vector<std::string> batch_files(const std::string& folder) {
  std::vector<std::string> files;
  for (int batch = 1; batch <= 5; ++batch)
    if (auto path = with_gz(fmt::format("{}/data_batch_{}.bin", folder, batch)); !path.empty()) files.push_back(path);
  return files;
}

std::vector<std::string> class_names(const std::string& path, int64_t classes) {
  std::vector<std::string> names;
  if (std::filesystem::exists(path)) {
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (!line.empty()) names.push_back(line);
    }
    if (static_cast<int64_t>(names.size()) != classes)
      throw DataError(fmt::format("{}: expected {} class names, one a line, found {}", path, classes, names.size()),
                      "get the file again, or remove it");
    return names;
  }
  for (int64_t c = 0; c < classes; ++c) names.push_back(std::to_string(c));
  return names;
}

Dataset joined(const std::vector<std::string>& files, int label_bytes, const std::vector<std::string>& classes, int64_t first_id) {
  std::vector<Tensor> inputs, labels;
  for (const auto& path : files) {
    const Dataset part = parse_cifar(read_maybe_gzip(path), path, label_bytes, static_cast<int64_t>(classes.size()));
    inputs.push_back(part.inputs), labels.push_back(part.labels);
  }
  Dataset data;
  data.inputs = files.size() == 1 ? inputs[0] : at::cat(inputs);
  data.labels = at::cat(labels);
  data.ids = at::arange(first_id, first_id + data.labels.size(0), at::kLong);
  data.spec.shape = {3, 32, 32};
  data.spec.classes = classes;
  return data;
}

}  // namespace

Dataset parse_cifar(std::string_view bytes, const std::string& name, int label_bytes, int64_t classes) {
  const int64_t record = label_bytes + kPixels, size = static_cast<int64_t>(bytes.size()), n = size / record;
  if (n == 0 || size % record)
    throw DataError(fmt::format("{}: truncated at offset {}: expected whole records of {} bytes, found {} bytes after {} records", name,
                                n * record, record, size % record, n),
                    "the file is damaged or not a CIFAR binary; get it again");
  Dataset data;
  data.inputs = at::empty({n, 3, 32, 32}, at::kByte);
  data.labels = at::empty({n}, at::kLong);
  auto* pixels = data.inputs.data_ptr<uint8_t>();
  auto* labels = data.labels.data_ptr<int64_t>();
  for (int64_t i = 0; i < n; ++i) {
    const char* at = bytes.data() + i * record;
    labels[i] = static_cast<unsigned char>(at[label_bytes - 1]);
    if (labels[i] >= classes)
      throw DataError(fmt::format("{}: label out of range at offset {}: expected 0 to {}, found {}", name, i * record + label_bytes - 1,
                                  classes - 1, labels[i]),
                      "the file is damaged or of another set; get it again");
    std::memcpy(pixels + i * kPixels, at + label_bytes, kPixels);
  }
  data.ids = at::arange(n, at::kLong);
  data.spec.shape = {3, 32, 32};
  for (int64_t c = 0; c < classes; ++c) data.spec.classes.push_back(std::to_string(c));
  return data;
}

bool is_cifar_folder(const std::string& folder) { return !batch_files(folder).empty() || !with_gz(folder + "/train.bin").empty(); }

CifarParts read_cifar(const std::string& folder) {
  auto files = batch_files(folder);
  const bool ten = !files.empty();
  const int label_bytes = ten ? 1 : 2;
  if (!ten) files = {with_gz(folder + "/train.bin")};
  const auto classes = ten ? class_names(folder + "/batches.meta.txt", 10) : class_names(folder + "/fine_label_names.txt", 100);
  CifarParts parts{joined(files, label_bytes, classes, 0), {}};
  const std::string test = with_gz(folder + (ten ? "/test_batch.bin" : "/test.bin"));
  if (!test.empty()) parts.test = joined({test}, label_bytes, classes, parts.train.size());
  return parts;
}

}  // namespace retort
