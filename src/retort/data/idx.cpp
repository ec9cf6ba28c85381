#include "retort/data/idx.h"

#include <cstring>
#include <filesystem>

#include "retort/base/error.h"
#include "retort/base/file.h"

namespace retort {

namespace {

struct IdxType {
  int code;
  at::ScalarType type;
  size_t bytes;
};
constexpr IdxType kTypes[] = {{0x08, at::kByte, 1}, {0x09, at::kChar, 1},  {0x0B, at::kShort, 2},
                              {0x0C, at::kInt, 4},  {0x0D, at::kFloat, 4}, {0x0E, at::kDouble, 8}};

uint32_t big_endian(const char* p) {
  const auto* b = reinterpret_cast<const unsigned char*>(p);
  return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
}

bool replace_last(std::string& text, const std::string& from, const std::string& to) {
  const auto at = text.rfind(from);
  if (at == std::string::npos) return false;
  text.replace(at, from.size(), to);
  return true;
}

}  // namespace

Tensor parse_idx(std::string_view bytes, const std::string& name) {
  const std::string hint = "the file is damaged or not IDX; get it again";
  if (bytes.size() < 4) throw DataError(fmt::format("{}: an IDX file starts with 4 bytes, found {}", name, bytes.size()), hint);
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(bytes[at]); };
  const IdxType* type = nullptr;
  for (const auto& known : kTypes)
    if (known.code == byte(2)) type = &known;
  const int dims = byte(3);
  if (byte(0) || byte(1) || !type || dims < 1 || dims > 8)
    throw DataError(fmt::format("{}: wrong magic number at offset 0: expected 00 00 TYPE DIMENSIONS, found {:02x} {:02x} {:02x} {:02x}",
                                name, byte(0), byte(1), byte(2), byte(3)),
                    hint);
  const size_t header = 4 + 4 * static_cast<size_t>(dims);
  if (bytes.size() < header)
    throw DataError(fmt::format("{}: the header of {} dimensions takes {} bytes, the file has {}", name, dims, header, bytes.size()), hint);
  std::vector<int64_t> shape;
  uint64_t needed = type->bytes;
  for (int d = 0; d < dims; ++d) {
    const uint32_t extent = big_endian(bytes.data() + 4 + 4 * d);
    shape.push_back(extent);
    if (extent && needed > (uint64_t{1} << 40) / extent)
      throw DataError(fmt::format("{}: impossible size at offset {}: dimension {} is {}", name, 4 + 4 * d, d, extent), hint);
    needed *= extent;
  }
  if (bytes.size() - header != needed)
    throw DataError(fmt::format("{}: {} at offset {}: expected {} bytes of values, found {}", name,
                                bytes.size() - header < needed ? "truncated" : "extra bytes",
                                std::min<uint64_t>(bytes.size(), header + needed), needed, bytes.size() - header),
                    hint);
  Tensor values = at::empty(shape, at::TensorOptions(type->type));
  if (!needed) return values;
  auto* out = static_cast<char*>(values.data_ptr());
  std::memcpy(out, bytes.data() + header, needed);
  if (type->bytes > 1)  // big-endian to the little-endian order of every machine libtorch runs on
    for (uint64_t at = 0; at < needed; at += type->bytes) std::reverse(out + at, out + at + type->bytes);
  return values;
}

Tensor read_idx(const std::string& path) { return parse_idx(read_maybe_gzip(path), path); }

Dataset read_idx_pair(const std::string& images, const std::string& labels, std::vector<std::string> classes) {
  Dataset data;
  data.inputs = read_idx(images);
  const Tensor raw_labels = read_idx(labels);
  if (data.inputs.scalar_type() != at::kByte || data.inputs.dim() < 3 || data.inputs.dim() > 4)
    throw DataError(
        fmt::format("{}: expected images of unsigned bytes in 3 or 4 dimensions, found {} dimensions", images, data.inputs.dim()));
  if (data.inputs.numel() == 0) throw DataError(images + ": there is not one pixel in it", "the file is empty; get it again");
  if (raw_labels.scalar_type() != at::kByte || raw_labels.dim() != 1)
    throw DataError(fmt::format("{}: expected labels of unsigned bytes in 1 dimension, found {} dimensions", labels, raw_labels.dim()));
  if (raw_labels.size(0) != data.inputs.size(0))
    throw DataError(
        fmt::format("{}: expected one label for each of the {} images, found {}", labels, data.inputs.size(0), raw_labels.size(0)),
        "images and labels are of different sets; get both again");
  if (data.inputs.dim() == 3) data.inputs = data.inputs.unsqueeze(1);
  data.labels = raw_labels.to(at::kLong);
  data.ids = at::arange(data.labels.size(0), at::kLong);
  if (classes.empty())
    for (int64_t c = 0; c <= data.labels.max().item<int64_t>(); ++c) classes.push_back(std::to_string(c));
  const auto label = data.labels.accessor<int64_t, 1>();
  for (int64_t i = 0; i < label.size(0); ++i)
    if (label[i] >= static_cast<int64_t>(classes.size()))
      throw DataError(
          fmt::format("{}: label out of range at offset {}: expected 0 to {}, found {}", labels, 8 + i, classes.size() - 1, label[i]),
          "the file is damaged, or its class names are not all there");
  data.spec.shape = data.inputs.sizes().slice(1).vec();
  data.spec.classes = std::move(classes);
  return data;
}

std::string idx_labels_beside(const std::string& images) {
  const std::filesystem::path path(images);
  std::string file = path.filename().string();
  if (!replace_last(file, "images", "labels")) return {};
  for (const char* dims : {"idx3", "idx4"}) replace_last(file, dims, "idx1");
  const bool packed = file.size() > 3 && file.substr(file.size() - 3) == ".gz";
  for (const auto& name : {file, packed ? file.substr(0, file.size() - 3) : file + ".gz"})
    if (std::filesystem::exists(path.parent_path() / name)) return (path.parent_path() / name).string();
  return {};
}

}  // namespace retort
