#include "retort/base/safetensors.h"

#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "retort/base/error.h"
#include "retort/base/file.h"

namespace retort {

namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeader = 100'000'000;  // the limit of the reference implementation
constexpr size_t kMaxDims = 64;               // libtorch's own limit

struct Kind {
  const char* name;
  at::ScalarType type;
  uint64_t size;
};
const Kind kKinds[] = {{"F64", at::kDouble, 8}, {"F32", at::kFloat, 4}, {"F16", at::kHalf, 2},  {"BF16", at::kBFloat16, 2},
                       {"I64", at::kLong, 8},   {"I32", at::kInt, 4},   {"I16", at::kShort, 2}, {"I8", at::kChar, 1},
                       {"U8", at::kByte, 1},    {"BOOL", at::kBool, 1}};

struct Entry {
  std::string name;
  const Kind* kind = nullptr;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // within the data part
};

struct Header {
  std::vector<Entry> entries;  // in the order of the data
  std::map<std::string, std::string> metadata;
};

[[noreturn]] void refuse(const std::string& file, const std::string& what) {
  throw DataError(fmt::format("{}: not a valid safetensors file: {}", file, what),
                  "the file is damaged or of another format; write or fetch it again");
}

// Names come from the file: shown shortened and with nothing that could upset a terminal.
std::string shown(const std::string& name) {
  return "'" + json(name.substr(0, 80)).dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace) + "'";
}

uint64_t header_length(std::string_view first_bytes, uint64_t file_size, const std::string& file) {
  if (file_size < 8) refuse(file, fmt::format("{} bytes, expected at least 8", file_size));
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | uint8_t(first_bytes[size_t(i)]);
  if (length > kMaxHeader) refuse(file, fmt::format("header of {} bytes at byte 0, at most {} are allowed", length, kMaxHeader));
  if (length > file_size - 8) refuse(file, fmt::format("header of {} bytes at byte 0, but only {} follow", length, file_size - 8));
  return length;
}

json parse_json(std::string_view text, const std::string& file) {
  if (text.empty() || text[0] != '{') refuse(file, "expected the header's '{' at byte 8");
  std::set<std::string> names;
  std::string twice;
  // Depth 1 holds the tensor names; a name given twice would silently win over the first.
  auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (depth == 1 && event == json::parse_event_t::key && !names.insert(value.get<std::string>()).second) twice = value.get<std::string>();
    return true;
  };
  json header = json::parse(text, watch, /*allow_exceptions=*/false);
  if (header.is_discarded() || !header.is_object()) refuse(file, "its header is not a JSON object");
  if (!twice.empty()) refuse(file, fmt::format("tensor {} is there twice", shown(twice)));
  return header;
}

Entry parse_entry(const std::string& name, const json& value, uint64_t data_size, const std::string& file) {
  Entry entry;
  entry.name = name;
  auto wrong = [&](const std::string& what) { refuse(file, fmt::format("tensor {}: {}", shown(name), what)); };
  auto field = [&](const char* key) -> const json& {
    if (!value.is_object() || !value.contains(key)) wrong(fmt::format("has no {}", key));
    return value[key];
  };
  const json& dtype = field("dtype");
  if (!dtype.is_string()) wrong("its dtype is not a text");
  const auto& dtype_name = dtype.get_ref<const std::string&>();
  for (const Kind& kind : kKinds)
    if (dtype_name == kind.name) entry.kind = &kind;
  if (!entry.kind) wrong(fmt::format("dtype {} is not supported (F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL)", shown(dtype_name)));

  const json& shape = field("shape");
  if (!shape.is_array() || shape.size() > kMaxDims) wrong(fmt::format("its shape is not a list of at most {} sizes", kMaxDims));
  uint64_t bytes = entry.kind->size, strides = entry.kind->size;
  for (const json& size : shape) {
    if (!size.is_number_unsigned()) wrong("its shape holds something else than whole numbers >= 0");
    const uint64_t count = size.get<uint64_t>();
    // Both products must fit: the bytes, and the strides that libtorch computes even when another size is zero.
    if (count > uint64_t(INT64_MAX) || __builtin_mul_overflow(strides, std::max<uint64_t>(count, 1), &strides) ||
        strides > uint64_t(INT64_MAX))
      wrong("its shape overflows");
    bytes *= count;
    entry.shape.push_back(int64_t(count));
  }

  const json& offsets = field("data_offsets");
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
    wrong("its data_offsets are not two whole numbers >= 0");
  entry.begin = offsets[0].get<uint64_t>();
  entry.end = offsets[1].get<uint64_t>();
  if (entry.begin > entry.end || entry.end > data_size)
    wrong(fmt::format("data_offsets [{}, {}] do not lie in the {} bytes of data", entry.begin, entry.end, data_size));
  if (entry.end - entry.begin != bytes)
    wrong(fmt::format("{} bytes of data, expected {} from shape and dtype", entry.end - entry.begin, bytes));
  return entry;
}

Header parse_header(std::string_view text, uint64_t data_size, const std::string& file) {
  Header header;
  const json object = parse_json(text, file);
  for (auto& [name, value] : object.items()) {
    if (name == "__metadata__") {
      if (!value.is_object()) refuse(file, "__metadata__ is not an object");
      for (auto& [key, entry] : value.items()) {
        if (!entry.is_string()) refuse(file, fmt::format("metadata {} is not a text", shown(key)));
        header.metadata[key] = entry.get<std::string>();
      }
    } else {
      header.entries.push_back(parse_entry(name, value, data_size, file));
    }
  }
  std::sort(header.entries.begin(), header.entries.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name); });
  uint64_t reached = 0;
  for (const Entry& entry : header.entries) {
    if (entry.begin != reached)
      refuse(file, fmt::format("tensor {}: data begins at {}, {} {}", shown(entry.name), entry.begin,
                               entry.begin < reached ? "inside the data of another, which ends at" : "leaving a hole after", reached));
    reached = entry.end;
  }
  if (reached != data_size) refuse(file, fmt::format("{} bytes of data, but its tensors cover {}", data_size, reached));
  return header;
}

// Makes every tensor and lets `fill(destination, begin, count)` bring its bytes.
template <class Fill>
SafetensorsFile load(Header header, const std::string& file, const Fill& fill) {
  SafetensorsFile out;
  out.metadata = std::move(header.metadata);
  for (const Entry& entry : header.entries) {
    Tensor tensor = at::empty(entry.shape, at::TensorOptions(entry.kind->type));
    const uint64_t count = entry.end - entry.begin;
    auto* bytes = static_cast<uint8_t*>(tensor.data_ptr());
    if (count) fill(bytes, entry.begin, count);
    if (entry.kind->type == at::kBool)
      for (uint64_t i = 0; i < count; ++i)
        if (bytes[i] > 1)
          refuse(file, fmt::format("tensor {}: byte {} of data is {}, a BOOL is 0 or 1", shown(entry.name), entry.begin + i, bytes[i]));
    out.tensors.emplace(entry.name, std::move(tensor));
  }
  return out;
}

struct Plan {
  std::string head;          // length and JSON header, padded to 8 bytes
  std::vector<Tensor> data;  // contiguous, on CPU; wide types first, then by name, so that every element is aligned
};

Plan plan(const TensorMap& tensors, const std::map<std::string, std::string>& metadata) {
  std::vector<std::pair<std::string, Tensor>> order(tensors.begin(), tensors.end());
  std::stable_sort(order.begin(), order.end(), [](auto& a, auto& b) { return a.second.element_size() > b.second.element_size(); });
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  Plan out;
  uint64_t reached = 0;
  for (auto& [name, given] : order) {
    Tensor tensor = given.detach().to(at::kCPU).contiguous();
    const Kind* kind = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& k) { return k.type == tensor.scalar_type(); });
    if (kind == std::end(kKinds))
      throw DataError(fmt::format("tensor '{}' cannot be stored: no safetensors dtype for {}", name, at::toString(tensor.scalar_type())));
    header[name] = {{"dtype", kind->name}, {"shape", tensor.sizes().vec()}, {"data_offsets", {reached, reached + tensor.nbytes()}}};
    reached += tensor.nbytes();
    out.data.push_back(std::move(tensor));
  }
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  for (int i = 0; i < 8; ++i) out.head.push_back(char(uint64_t(text.size()) >> (8 * i)));
  out.head += text;
  return out;
}

}  // namespace

SafetensorsFile parse_safetensors(std::string_view bytes, const std::string& name) {
  const uint64_t length = header_length(bytes, bytes.size(), name);
  const std::string_view data = bytes.substr(8 + length);
  return load(parse_header(bytes.substr(8, length), data.size(), name), name,
              [&](uint8_t* to, uint64_t begin, uint64_t count) { std::memcpy(to, data.data() + begin, count); });
}

// Tensor by tensor from the file, so that memory holds the weights once.
SafetensorsFile read_safetensors(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat facts {};
  if (file < 0 || ::fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    if (file >= 0) ::close(file);
    return parse_safetensors(read_file(path), path);  // its errors say what is wrong; pipes work too
  }
  std::shared_ptr<void> closed(nullptr, [file](void*) { ::close(file); });
  auto fetch = [&](void* to, uint64_t begin, uint64_t count) {
    for (auto* at = static_cast<char*>(to); count > 0;) {
      const ssize_t got = ::pread(file, at, std::min<uint64_t>(count, uint64_t(1) << 30), off_t(begin));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) refuse(path, fmt::format("it ends at byte {} while being read", begin));
      at += got, begin += uint64_t(got), count -= uint64_t(got);
    }
  };
  const auto size = uint64_t(facts.st_size);
  std::string first(8, '\0');
  if (size >= 8) fetch(first.data(), 0, 8);
  std::string header(header_length(first, size, path), '\0');
  fetch(header.data(), 8, header.size());
  const uint64_t start = 8 + header.size();
  return load(parse_header(header, size - start, path), path,
              [&](uint8_t* to, uint64_t begin, uint64_t count) { fetch(to, start + begin, count); });
}

static std::string_view bytes_of(const Tensor& tensor) { return {static_cast<const char*>(tensor.data_ptr()), tensor.nbytes()}; }

void write_safetensors(const std::string& path, const TensorMap& tensors, const std::map<std::string, std::string>& metadata) {
  const Plan whole = plan(tensors, metadata);
  std::vector<std::string_view> parts = {whole.head};
  for (const Tensor& tensor : whole.data) parts.push_back(bytes_of(tensor));
  write_file_parts(path, parts);
}

std::string serialise_safetensors(const TensorMap& tensors, const std::map<std::string, std::string>& metadata) {
  const Plan whole = plan(tensors, metadata);
  std::string out = whole.head;
  for (const Tensor& tensor : whole.data) out += bytes_of(tensor);
  return out;
}

}  // namespace retort
