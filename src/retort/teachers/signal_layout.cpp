// The header of a signal store: written, and read back without trusting a byte of it.
#include <cstring>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/teachers/signal_store.h"

namespace retort {
namespace {

constexpr std::string_view kMagic = "RETORTSG";
constexpr uint32_t kVersion = 1;
constexpr size_t kPrefix = 24, kAlign = 64;
constexpr uint64_t kLongestHeader = uint64_t{16} << 20;
constexpr int64_t kMostRows = int64_t{1} << 40, kMostRowBytes = int64_t{1} << 31;

const std::vector<std::pair<std::string, at::ScalarType>> kTypes = {{"F32", at::kFloat}, {"F16", at::kHalf}, {"I32", at::kInt}, {"I64", at::kLong}};

size_t aligned(size_t offset) { return (offset + kAlign - 1) / kAlign * kAlign; }

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

std::string shape_text(const std::vector<int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ",")); }

struct Refusal {
  std::string name;
  DataError operator()(const std::string& what) const { return DataError(fmt::format("{}: not a whole signal store: {}", name, what), "capture the signals again"); }
};

// What the columns of each name must be; empty when it may be as it is.
std::string fault_of(const SignalColumn& column, const SignalLayout& layout) {
  const bool real = column.type == at::kFloat || column.type == at::kHalf, single = column.shape.empty();
  const auto& name = column.name;
  const auto is = [&](bool right, const char* expected) { return right ? std::string() : fmt::format("column '{}' must be {}", name, expected); };
  if (name == "ids") return is(column.type == at::kLong && single, "I64 []");
  if (name == "labels") return is(column.type == at::kInt && single, "I32 []");
  if (name == "logits") return is(real && column.shape == std::vector<int64_t>{layout.classes}, "F32 or F16 [classes]");
  if (name == "topk_tail") return is(column.type == at::kFloat && single, "F32 []");
  const bool list = column.shape.size() == 1 && column.shape[0] <= layout.classes;
  if (name == "topk_values") return is(real && list, "F32 or F16 [k] with k at most the number of classes");
  if (name == "topk_indices") return is(column.type == at::kInt && list, "I32 [k] with k at most the number of classes");
  if (name.compare(0, 8, "feature:") == 0) return is(real, "F32 or F16");
  return fmt::format("column '{}' is unknown", name);
}

SignalColumn read_column(const nlohmann::json& entry, const Refusal& refuse) {
  SignalColumn column{entry.at("name").get<std::string>(), at::kFloat, entry.at("shape").get<std::vector<int64_t>>()};
  const auto type_name = entry.at("type").get<std::string>();
  const auto type = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& known) { return known.first == type_name; });
  if (type == kTypes.end()) throw refuse(fmt::format("column '{}' has the unknown type '{}'", column.name, type_name));
  column.type = type->second;
  int64_t bytes = 8;
  for (const int64_t size : column.shape) {
    if (size < 1 || size > kMostRowBytes / bytes) throw refuse(fmt::format("column '{}' has the impossible row shape {}", column.name, shape_text(column.shape)));
    bytes *= size;
  }
  return column;
}

}  // namespace

int64_t SignalColumn::row_bytes() const {
  return std::accumulate(shape.begin(), shape.end(), static_cast<int64_t>(c10::elementSize(type)), std::multiplies<>());
}

void SignalLayout::place(size_t header_size) {
  header_bytes = header_size;
  size_t end = header_size;
  starts.clear();
  for (const SignalColumn& column : columns) {
    starts.push_back(aligned(end));
    end = starts.back() + static_cast<size_t>(count) * static_cast<size_t>(column.row_bytes());
  }
  checksums = aligned(end);
  total = checksums + sizeof(uint32_t) * (columns.size() * static_cast<size_t>(blocks()) + 1);
}

std::string SignalLayout::header() const {
  nlohmann::json list = nlohmann::json::array();
  for (const SignalColumn& column : columns) {
    const auto type = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& known) { return known.second == column.type; });
    list.push_back({{"name", column.name}, {"type", type->first}, {"shape", column.shape}});
  }
  const std::string text = nlohmann::json{{"classes", classes}, {"count", count}, {"block_rows", block_rows}, {"columns", list}, {"teacher", teacher},
                                          {"data", data},       {"input", input}}
                               .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string bytes(kMagic);
  append(bytes, kVersion);
  append(bytes, crc32_of(text));
  append(bytes, static_cast<uint64_t>(text.size()));
  bytes += text;
  bytes.resize(aligned(bytes.size()), '\0');
  return bytes;
}

SignalLayout SignalLayout::parse(std::string_view bytes, const std::string& name) {
  const Refusal refuse{name};
  if (bytes.size() < kPrefix || bytes.substr(0, kMagic.size()) != kMagic) throw refuse("it does not begin with RETORTSG");
  if (const auto version = number_at<uint32_t>(bytes, 8); version != kVersion) throw refuse(fmt::format("version {}, expected {}", version, kVersion));
  const auto length = number_at<uint64_t>(bytes, 16);
  if (length > kLongestHeader || length > bytes.size() - kPrefix) throw refuse(fmt::format("a header of {} bytes in a file of {}", length, bytes.size()));
  const std::string_view text = bytes.substr(kPrefix, length);
  if (crc32_of(text) != number_at<uint32_t>(bytes, 12)) throw refuse("the header is damaged (its checksum differs)");

  SignalLayout layout;
  try {
    const nlohmann::json header = nlohmann::json::parse(text);
    layout.classes = header.at("classes").get<int64_t>();
    layout.count = header.at("count").get<int64_t>();
    layout.block_rows = header.at("block_rows").get<int64_t>();
    layout.teacher = header.value("teacher", "");
    layout.data = header.value("data", "");
    layout.input = header.value("input", nlohmann::json());
    for (const auto& entry : header.at("columns")) layout.columns.push_back(read_column(entry, refuse));
  } catch (const nlohmann::json::exception&) {
    throw refuse("the header lacks classes, count, block_rows or columns");
  }
  if (layout.classes < 1 || layout.count < 0 || layout.count > kMostRows || layout.block_rows < 1 || layout.block_rows > kMostRows) {
    throw refuse(fmt::format("impossible numbers: {} classes, {} rows in blocks of {}", layout.classes, layout.count, layout.block_rows));
  }
  std::set<std::string> names;
  const auto file_size = static_cast<double>(bytes.size());
  for (const SignalColumn& column : layout.columns) {
    if (const std::string fault = fault_of(column, layout); !fault.empty()) throw refuse(fault);
    if (!names.insert(column.name).second) throw refuse(fmt::format("column '{}' comes twice", column.name));
    // Before place(): so no product there can overflow.
    if (static_cast<double>(layout.count) * static_cast<double>(column.row_bytes()) > file_size) {
      throw refuse(fmt::format("column '{}' has {} rows of {} bytes in a file of {}", column.name, layout.count, column.row_bytes(), bytes.size()));
    }
  }
  if (layout.columns.empty() || layout.columns.front().name != "ids") throw refuse("the first column must be 'ids'");
  if (names.count("topk_values") != names.count("topk_indices") || names.count("topk_values") != names.count("topk_tail")) {
    throw refuse("topk_values, topk_indices and topk_tail belong together");
  }
  layout.place(aligned(kPrefix + length));
  if (layout.total != bytes.size()) throw refuse(fmt::format("expected {} bytes, found {}", layout.total, bytes.size()));
  return layout;
}

}  // namespace retort
