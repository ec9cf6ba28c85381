#include "retort/teachers/signal_format.h"

#include <cstring>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/teachers/topk_codec.h"

namespace retort {
namespace {

constexpr std::string_view kMagic = "RETORTSG", kBlock = "RETORTBK", kStruck = "RETORTXX", kIndex = "RETORTIX", kEnd = "RETORTND";
constexpr uint32_t kVersion = 1;
constexpr size_t kPrefix = 24, kBlockPrefix = 64, kColumnEntry = 16, kIndexPrefix = 64;
constexpr uint64_t kLongestHeader = uint64_t{16} << 20;
constexpr int64_t kMostRows = int64_t{1} << 31, kMostRowBytes = int64_t{1} << 31, kMostClasses = int64_t{1} << 31;
constexpr size_t kMostColumns = 4096;

const std::vector<std::pair<std::string, at::ScalarType>> kTypes = {
    {"F32", at::kFloat}, {"F16", at::kHalf}, {"I32", at::kInt}, {"I64", at::kLong}, {"U8", at::kByte}};

template <class Number>
Number number_at(std::string_view bytes, size_t offset) {
  Number number;
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}

template <class Number>
void append(std::string& bytes, Number number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

template <class Number>
void put(std::string& bytes, size_t offset, Number number) {
  std::memcpy(bytes.data() + offset, &number, sizeof number);
}

std::string shape_text(const std::vector<int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ",")); }

const std::string& type_name(at::ScalarType type) {
  return std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& known) { return known.second == type; })->first;
}

bool is_feature(const std::string& name) { return name.compare(0, 8, "feature:") == 0; }

nlohmann::json to_json(const std::vector<SignalColumn>& columns) {
  nlohmann::json list = nlohmann::json::array();
  for (const SignalColumn& column : columns) {
    list.push_back({{"name", column.name}, {"type", type_name(column.type)}, {"shape", column.shape}});
    if (column.k > 0) list.back()["k"] = column.k;
  }
  return list;
}

nlohmann::json to_json(const SignalHeader& header) {
  return {{"classes", header.classes},
          {"columns", to_json(header.columns)},
          {"teacher", header.teacher},
          {"data", header.data},
          {"input", header.input}};
}

struct Refusal {
  std::string name;
  DataError operator()(const std::string& what) const {
    return DataError(fmt::format("{}: not a signal store: {}", name, what), "capture the signals again");
  }
};

// What the columns of each name must be; empty when it may be as it is.
std::string fault_of(const SignalColumn& column, int64_t classes) {
  const bool real = column.type == at::kFloat || column.type == at::kHalf, single = column.shape.empty();
  const auto& name = column.name;
  const auto is = [&](bool right, const char* expected) {
    return right ? std::string() : fmt::format("column '{}' must be {}", name, expected);
  };
  const bool list = column.shape.size() == 1;
  if (name == "ids") return is(column.type == at::kLong && single, "I64 []");
  if (name == "text") return is(column.type == at::kByte && single, "U8 []");
  if (name == "embedding") return is(real && list, "F32 or F16 [size]");
  if (is_feature(name)) return is(real, "F32 or F16");
  const bool known = name == "labels" || name == "logits" || name == "topk_values" || name == "topk_indices" || name == "topk_tail" ||
                     name == "topk_packed";
  if (!known) return fmt::format("column '{}' is unknown", name);
  if (classes < 1) return fmt::format("column '{}' needs classes", name);
  if (name == "labels") return is(column.type == at::kInt && single, "I32 []");
  if (name == "logits") return is(real && column.shape == std::vector<int64_t>{classes}, "F32 or F16 [classes]");
  if (name == "topk_tail") return is(column.type == at::kFloat && single, "F32 []");
  if (name == "topk_packed") {
    // No fewer bytes than a fifth of k are ever written: so that a few bytes cannot claim many values.
    return is(column.type == at::kByte && list && column.k >= 1 && column.k <= classes && column.shape[0] >= column.k / 8,
              "U8 [bytes] with a k of at most the number of classes");
  }
  const bool fits = list && column.shape[0] <= classes;
  if (name == "topk_values") return is(real && fits, "F32 or F16 [k] with k at most the number of classes");
  return is(column.type == at::kInt && fits, "I32 [k] with k at most the number of classes");
}

SignalColumn read_column(const nlohmann::json& entry, const Refusal& refuse) {
  SignalColumn column{entry.at("name").get<std::string>(), at::kFloat, entry.at("shape").get<std::vector<int64_t>>(),
                      entry.value("k", int64_t{0})};
  const auto wanted = entry.at("type").get<std::string>();
  const auto type = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& known) { return known.first == wanted; });
  if (type == kTypes.end()) throw refuse(fmt::format("column '{}' has the unknown type '{}'", column.name, wanted));
  column.type = type->second;
  int64_t bytes = 8;
  for (const int64_t size : column.shape) {
    if (size < 1 || size > kMostRowBytes / bytes)
      throw refuse(fmt::format("column '{}' has the impossible row shape {}", column.name, shape_text(column.shape)));
    bytes *= size;
  }
  if (column.k != 0 && column.name != "topk_packed") throw refuse(fmt::format("column '{}' has a k", column.name));
  return column;
}

void check_columns(const SignalHeader& header, const Refusal& refuse) {
  std::set<std::string> names;
  for (const SignalColumn& column : header.columns) {
    if (const std::string fault = fault_of(column, header.classes); !fault.empty()) throw refuse(fault);
    if (!names.insert(column.name).second) throw refuse(fmt::format("column '{}' comes twice", column.name));
  }
  if (header.columns.empty() || header.columns.front().name != "ids") throw refuse("the first column must be 'ids'");
  if (header.columns.size() > kMostColumns) throw refuse(fmt::format("{} columns", header.columns.size()));
  if (names.count("topk_values") != names.count("topk_indices") || names.count("topk_values") != names.count("topk_tail")) {
    throw refuse("topk_values, topk_indices and topk_tail belong together");
  }
  const auto size_of = [&](const char* name) {
    const auto found = std::find_if(header.columns.begin(), header.columns.end(), [&](const SignalColumn& c) { return c.name == name; });
    return found == header.columns.end() ? int64_t{0} : found->shape[0];
  };
  if (size_of("topk_values") != size_of("topk_indices")) throw refuse("topk_values and topk_indices differ in size");
}

// Sealed with the CRC-32 of everything from byte 12 on.
void seal(std::string& bytes) { put(bytes, 8, crc32_of(std::string_view(bytes).substr(12))); }

}  // namespace

int64_t SignalColumn::row_bytes() const {
  return std::accumulate(shape.begin(), shape.end(), static_cast<int64_t>(c10::elementSize(type)), std::multiplies<>());
}

bool operator==(const SignalColumn& a, const SignalColumn& b) {
  return a.name == b.name && a.type == b.type && a.shape == b.shape && a.k == b.k;
}

std::string difference(const SignalHeader& a, const SignalHeader& b) {
  const nlohmann::json left = to_json(a), right = to_json(b);
  for (const char* key : {"classes", "columns", "teacher", "data", "input"}) {
    if (left[key] != right[key]) {
      const auto text = [](const nlohmann::json& value) { return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); };
      return fmt::format("{}: {} and {}", key, text(left[key]), text(right[key]));
    }
  }
  return {};
}

namespace signal_columns {

namespace {
at::ScalarType real(bool half) { return half ? at::kHalf : at::kFloat; }
}  // namespace

SignalColumn ids() { return {"ids", at::kLong}; }
SignalColumn labels() { return {"labels", at::kInt}; }
SignalColumn logits(int64_t classes, bool half) { return {"logits", real(half), {classes}}; }
std::vector<SignalColumn> topk(int64_t k, bool half) {
  return {{"topk_values", real(half), {k}}, {"topk_indices", at::kInt, {k}}, {"topk_tail", at::kFloat}};
}
SignalColumn packed_topk(int64_t k, int64_t classes) { return {"topk_packed", at::kByte, {packed_topk_bytes(k, classes)}, k}; }
SignalColumn feature(const std::string& tap, std::vector<int64_t> shape, bool half) {
  return {"feature:" + tap, real(half), std::move(shape)};
}
SignalColumn embedding(int64_t size, bool half) { return {"embedding", real(half), {size}}; }
SignalColumn text() { return {"text", at::kByte}; }

}  // namespace signal_columns

namespace signal_format {

size_t aligned(size_t offset) { return (offset + kAlign - 1) / kAlign * kAlign; }

std::string header_bytes(const SignalHeader& header) {
  const std::string text = to_json(header).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string bytes(kMagic);
  append(bytes, uint32_t{0});
  append(bytes, kVersion);
  append(bytes, static_cast<uint64_t>(text.size()));
  bytes += text;
  bytes.resize(aligned(bytes.size()), '\0');
  seal(bytes);
  return bytes;
}

SignalHeader read_header(std::string_view file, const std::string& name, size_t& end) {
  const Refusal refuse{name};
  if (file.size() < kPrefix || file.substr(0, kMagic.size()) != kMagic) throw refuse("it does not begin with RETORTSG");
  if (const auto version = number_at<uint32_t>(file, 12); version != kVersion)
    throw refuse(fmt::format("version {}, expected {}", version, kVersion));
  const auto length = number_at<uint64_t>(file, 16);
  if (length > kLongestHeader || aligned(kPrefix + length) > file.size())
    throw refuse(fmt::format("a header of {} bytes in a file of {}", length, file.size()));
  end = aligned(kPrefix + length);
  if (crc32_of(file.substr(12, end - 12)) != number_at<uint32_t>(file, 8)) throw refuse("the header is damaged (its checksum differs)");

  SignalHeader header;
  try {
    const nlohmann::json json = nlohmann::json::parse(file.substr(kPrefix, length));
    header.classes = json.at("classes").get<int64_t>();
    header.teacher = json.value("teacher", "");
    header.data = json.value("data", "");
    header.input = json.value("input", nlohmann::json());
    for (const auto& entry : json.at("columns")) header.columns.push_back(read_column(entry, refuse));
  } catch (const nlohmann::json::exception&) {
    throw refuse("the header lacks classes or columns");
  }
  if (header.classes < 0 || header.classes > kMostClasses) throw refuse(fmt::format("{} classes", header.classes));
  check_columns(header, refuse);
  return header;
}

size_t block_header_size(const SignalHeader& header, bool struck) {
  return struck ? kBlockPrefix : aligned(kBlockPrefix + kColumnEntry * header.columns.size());
}

namespace {

std::string block_prefix(std::string_view magic, size_t columns, int64_t number, size_t offset, size_t bytes, int64_t rows) {
  std::string head(magic);
  append(head, uint32_t{0});
  append(head, static_cast<uint32_t>(columns));
  append(head, static_cast<uint64_t>(number));
  append(head, static_cast<uint64_t>(offset));
  append(head, static_cast<uint64_t>(bytes));
  append(head, static_cast<uint64_t>(rows));
  head.resize(kBlockPrefix, '\0');
  return head;
}

}  // namespace

std::string block_bytes(int64_t number, size_t offset, int64_t rows, const std::vector<std::string>& columns) {
  const size_t head_size = aligned(kBlockPrefix + kColumnEntry * columns.size());
  size_t total = head_size;
  for (const std::string& column : columns) total += aligned(column.size());
  std::string bytes = block_prefix(kBlock, columns.size(), number, offset, total, rows);
  bytes.reserve(total);
  bytes.resize(head_size, '\0');
  for (size_t i = 0; i < columns.size(); ++i) {
    const size_t start = bytes.size();
    bytes += columns[i];
    bytes.resize(aligned(bytes.size()), '\0');
    put(bytes, kBlockPrefix + kColumnEntry * i, static_cast<uint64_t>(columns[i].size()));
    put(bytes, kBlockPrefix + kColumnEntry * i + 8, crc32_of(std::string_view(bytes).substr(start)));
  }
  put(bytes, 8, crc32_of(std::string_view(bytes).substr(12, head_size - 12)));
  return bytes;
}

std::string struck_bytes(int64_t number, size_t offset, size_t size) {
  std::string bytes = block_prefix(kStruck, 0, number, offset, size, 0);
  seal(bytes);
  return bytes;
}

std::optional<SignalBlock> read_block(std::string_view bytes, const SignalHeader& header) {
  if (bytes.size() < kBlockPrefix) return {};
  const bool struck = bytes.substr(0, kStruck.size()) == kStruck;
  if (!struck && bytes.substr(0, kBlock.size()) != kBlock) return {};
  const size_t head_size = block_header_size(header, struck);
  if (bytes.size() < head_size || crc32_of(bytes.substr(12, head_size - 12)) != number_at<uint32_t>(bytes, 8)) return {};
  SignalBlock block;
  const auto number = number_at<uint64_t>(bytes, 16), offset = number_at<uint64_t>(bytes, 24), size = number_at<uint64_t>(bytes, 32),
             rows = number_at<uint64_t>(bytes, 40);
  constexpr uint64_t kFar = uint64_t{1} << 60;  // so that no sum below overflows
  if (number > kFar || offset > kFar || size > kFar || size < head_size || size % kAlign != 0 || rows > static_cast<uint64_t>(kMostRows))
    return {};
  block.number = static_cast<int64_t>(number);
  block.rows = static_cast<int64_t>(rows);
  block.offset = offset;
  block.bytes = size;
  block.struck = struck;
  if (struck) return number_at<uint32_t>(bytes, 12) == 0 && rows == 0 ? std::optional(block) : std::nullopt;
  if (number_at<uint32_t>(bytes, 12) != header.columns.size() || rows < 1) return {};
  size_t start = head_size;
  for (size_t i = 0; i < header.columns.size(); ++i) {
    const auto stored = number_at<uint64_t>(bytes, kBlockPrefix + kColumnEntry * i);
    const SignalColumn& column = header.columns[i];
    if (stored > size - start) return {};
    if (column.varies() ? stored < 8 * (rows + 1) : stored != rows * static_cast<uint64_t>(column.row_bytes())) return {};
    block.starts.push_back(offset + start);
    block.sizes.push_back(stored);
    block.checksums.push_back(number_at<uint32_t>(bytes, kBlockPrefix + kColumnEntry * i + 8));
    start = aligned(start + stored);
    if (start > size) return {};
  }
  return start == size ? std::optional(block) : std::nullopt;
}

std::string index_bytes(std::string_view file_headers, size_t blocks, size_t offset) {
  std::string bytes(kIndex);
  append(bytes, uint32_t{0});
  append(bytes, uint32_t{0});
  append(bytes, static_cast<uint64_t>(blocks));
  append(bytes, static_cast<uint64_t>(file_headers.size()));
  bytes.resize(kIndexPrefix, '\0');
  bytes += file_headers;
  append(bytes, static_cast<uint64_t>(offset));
  bytes += kEnd;
  seal(bytes);
  return bytes;
}

std::optional<std::vector<SignalBlock>> read_index(std::string_view file, const SignalHeader& header, size_t first_block, size_t& begin) {
  constexpr size_t kTrailer = 16;
  if (file.size() < first_block + kIndexPrefix + kTrailer || file.substr(file.size() - kEnd.size()) != kEnd) return {};
  const auto place = number_at<uint64_t>(file, file.size() - kTrailer);
  if (place % kAlign != 0 || place < first_block || place > file.size() - kIndexPrefix - kTrailer) return {};
  std::string_view index = file.substr(place);
  if (index.substr(0, kIndex.size()) != kIndex || crc32_of(index.substr(12)) != number_at<uint32_t>(index, 8)) return {};
  const auto count = number_at<uint64_t>(index, 16);
  if (number_at<uint64_t>(index, 24) != index.size() - kIndexPrefix - kTrailer) return {};
  index = index.substr(kIndexPrefix, index.size() - kIndexPrefix - kTrailer);
  std::vector<SignalBlock> blocks;
  size_t expected = first_block;
  while (!index.empty()) {
    const std::optional<SignalBlock> block = read_block(index, header);
    if (!block || block->offset != expected || block->bytes > place - expected) return {};
    expected += block->bytes;
    index.remove_prefix(block_header_size(header, block->struck));
    blocks.push_back(*block);
  }
  if (expected != place || blocks.size() != count) return {};
  begin = place;
  return blocks;
}

}  // namespace signal_format
}  // namespace retort
