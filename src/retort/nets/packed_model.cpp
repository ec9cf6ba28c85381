#include "retort/nets/packed_model.h"

#include <cstring>

#include "retort/base/bits.h"
#include "retort/base/error.h"
#include "retort/base/file.h"

namespace retort {
namespace {

constexpr std::string_view kMagic = "RETORTPK";
constexpr uint32_t kVersion = 1;
constexpr size_t kPrefix = 16, kCheck = 4;
constexpr int64_t kMostLevels = 1 << 16;

template <class Number>
void append(std::string& bytes, Number number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void append_floats(std::string& bytes, const Tensor& values) {
  const Tensor held = values.detach().to(at::kCPU, at::kFloat).contiguous();
  bytes.append(reinterpret_cast<const char*>(held.data_ptr<float>()), static_cast<size_t>(held.numel()) * sizeof(float));
}

std::vector<uint32_t> numbers_of(const Tensor& indices) {
  const Tensor held = indices.to(at::kCPU).contiguous();
  return {held.data_ptr<int64_t>(), held.data_ptr<int64_t>() + held.numel()};
}

std::string huffman_bytes(const std::vector<uint32_t>& numbers, const std::vector<uint8_t>& lengths) {
  const std::string codes = huffman_encode(numbers, lengths);
  std::string bytes(lengths.begin(), lengths.end());
  append(bytes, static_cast<uint32_t>(codes.size()));
  return bytes + codes;
}

// Reads the file piece by piece; every refusal says which file, what, and where.
class Reader {
 public:
  Reader(std::string_view bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {}

  [[noreturn]] void refuse(const std::string& what) const {
    throw DataError(fmt::format("{}: not a whole packed model: {}", name_, what),
                    "the file is damaged or of another format; write or fetch it again");
  }
  std::string_view take(size_t count, const std::string& what) {
    if (count > bytes_.size() - at_)
      refuse(fmt::format("{} at byte {} takes {} bytes, but {} are left", what, at_, count, bytes_.size() - at_));
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  template <class Number>
  Number number(const std::string& what) {
    Number value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }
  Tensor floats(int64_t count, const std::string& what) {
    Tensor values = at::empty({count}, at::kFloat);
    const std::string_view raw = take(static_cast<size_t>(count) * sizeof(float), what);
    std::memcpy(values.data_ptr(), raw.data(), raw.size());
    if (!at::isfinite(values).all().item<bool>()) refuse(what + " are not finite");
    return values;
  }
  size_t left() const { return bytes_.size() - at_; }
  size_t place() const { return at_; }

 private:
  std::string_view bytes_;
  std::string name_;
  size_t at_ = 0;
};

struct Entry {
  int64_t levels = 0, bucket = 0;
  bool points = false, huffman = false;
};

std::map<std::string, Entry> read_entries(const nlohmann::json& header, const Reader& in) {
  std::map<std::string, Entry> entries;
  try {
    for (const auto& one : header.at("tensors")) {
      const auto coding = one.at("coding").get<std::string>(), name = one.at("name").get<std::string>();
      const Entry entry{one.at("levels").get<int64_t>(), one.at("bucket").get<int64_t>(), one.at("points").get<bool>(),
                        coding == "huffman"};
      if (entry.levels < 2 || entry.levels > kMostLevels)
        in.refuse(fmt::format("tensor '{}' has {} levels, expected 2 to {}", name, entry.levels, kMostLevels));
      if (entry.bucket < 0 || entry.bucket == 1) in.refuse(fmt::format("tensor '{}' has buckets of {}", name, entry.bucket));
      if (!entry.huffman && coding != "bits") in.refuse(fmt::format("tensor '{}' has the unknown coding '{}'", name, coding));
      if (!entries.emplace(name, entry).second) in.refuse(fmt::format("tensor '{}' comes twice", name));
    }
  } catch (const nlohmann::json::exception&) {
    in.refuse("the header's tensors need name, levels, bucket, points and coding");
  }
  return entries;
}

Tensor read_indices(const Entry& entry, int64_t count, const std::string& name, Reader& in) {
  const auto n = static_cast<size_t>(count);
  std::vector<uint32_t> numbers;
  try {
    if (entry.huffman) {
      const std::string_view lengths = in.take(static_cast<size_t>(entry.levels), "code lengths of " + name);
      const auto size = in.number<uint32_t>("size of the codes of " + name);
      numbers = huffman_decode(in.take(size, "codes of " + name), n, {lengths.begin(), lengths.end()});
    } else {
      const int64_t bits = bits_for(entry.levels);
      numbers = unpack_bits(in.take(packed_size(n, bits), "indices of " + name), n, bits);
    }
  } catch (const DataError& error) {
    const std::string what = error.what();
    if (what.rfind("packed numbers", 0) != 0) throw;
    in.refuse(fmt::format("tensor '{}': {}", name, what));
  }
  Tensor indices = at::empty({count}, at::kLong);
  std::copy(numbers.begin(), numbers.end(), indices.data_ptr<int64_t>());
  if ((indices >= entry.levels).any().item<bool>()) in.refuse(fmt::format("tensor '{}' points behind its {} levels", name, entry.levels));
  return indices;
}

Tensor read_quantised(const Entry& entry, const Tensor& like, const std::string& name, Reader& in) {
  const int64_t count = like.numel(), size = entry.bucket == 0 ? count : std::min(entry.bucket, count), buckets = (count + size - 1) / size;
  Quantised q;
  q.levels = entry.levels;
  q.shape = like.sizes().vec();
  q.scale.size = size;
  q.scale.low = in.floats(buckets, "lows of " + name);
  q.scale.high = in.floats(buckets, "highs of " + name);
  if ((q.scale.high < q.scale.low).any().item<bool>())
    in.refuse(fmt::format("tensor '{}' has a bucket whose high lies below its low", name));
  if (entry.points) {
    q.points = in.floats(entry.levels, "points of " + name);
    if ((q.points.slice(0, 1) < q.points.slice(0, 0, -1)).any().item<bool>())
      in.refuse(fmt::format("tensor '{}' has points out of order", name));
  }
  q.indices = read_indices(entry, count, name, in);
  return q.values();
}

}  // namespace

Coding coding_from(const std::string& name) {
  if (name == "bits") return Coding::bits;
  if (name == "huffman") return Coding::huffman;
  if (name == "smaller") return Coding::smaller;
  throw ConfigError(fmt::format("no coding is called '{}'", name), "codings are bits, huffman, smaller");
}

PackedModel pack_model(const Net& net, const InputSpec& input, const std::map<std::string, Quantised>& quantised, Coding coding) {
  PackedModel model;
  nlohmann::json header = model_config(net, input);
  header["tensors"] = nlohmann::json::array();
  const TensorMap tensors = net.named_tensors();
  for (const auto& [name, q] : quantised) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) throw ConfigError(fmt::format("pack_model: the net has no tensor '{}'", name));
    if (found->second.sizes() != at::IntArrayRef(q.shape))
      throw ConfigError(fmt::format("pack_model: tensor '{}' has another shape in the net", name));
  }
  std::string data;
  std::vector<std::string> names = net.param_names();
  names.insert(names.end(), net.buffer_names().begin(), net.buffer_names().end());
  for (const std::string& name : names) {
    const auto found = quantised.find(name);
    if (found == quantised.end()) {
      append_floats(data, tensors.at(name));
      model.formula_bits += 32 * tensors.at(name).numel();
      continue;
    }
    const Quantised& q = found->second;
    const size_t before = data.size();
    append_floats(data, q.scale.low);
    append_floats(data, q.scale.high);
    if (q.points.defined()) append_floats(data, q.points);
    const std::vector<uint32_t> numbers = numbers_of(q.indices);
    std::vector<int64_t> counts(static_cast<size_t>(q.levels), 0);
    for (const uint32_t number : numbers) ++counts[number];
    const std::vector<uint8_t> lengths = huffman_lengths(counts);
    const int64_t bits = bits_for(q.levels);
    std::string plain = pack_bits(numbers, bits), coded = coding == Coding::bits ? "" : huffman_bytes(numbers, lengths);
    const bool huffman = coding == Coding::huffman || (coding == Coding::smaller && coded.size() < plain.size());
    data += huffman ? coded : plain;
    const int64_t bucket = q.scale.low.numel() == 1 ? 0 : q.scale.size;
    header["tensors"].push_back({{"name", name},
                                 {"levels", q.levels},
                                 {"bucket", bucket},
                                 {"points", q.points.defined()},
                                 {"coding", huffman ? "huffman" : "bits"}});
    model.tensors.push_back({name, huffman ? "huffman" : "bits", static_cast<int64_t>(numbers.size()), q.levels,
                             static_cast<int64_t>(data.size() - before), mean_length(counts, lengths)});
    model.formula_bits += bits * static_cast<int64_t>(numbers.size()) + 64 * q.scale.low.numel() + (q.points.defined() ? 32 * q.levels : 0);
  }
  const std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  model.bytes = kMagic;
  append(model.bytes, kVersion);
  append(model.bytes, static_cast<uint32_t>(text.size()));
  model.bytes += text + data;
  append(model.bytes, crc32_of(model.bytes));
  return model;
}

Model parse_packed(std::string_view bytes, const std::string& name) {
  const bool marked = bytes.substr(0, kMagic.size()) == kMagic;
  Reader in(bytes.substr(0, bytes.size() - std::min(bytes.size(), kCheck)), name);
  if (!marked) in.refuse("it does not begin with RETORTPK");
  if (bytes.size() < kPrefix + kCheck) in.refuse(fmt::format("{} bytes, expected at least {}", bytes.size(), kPrefix + kCheck));
  in.take(kMagic.size(), "the mark");
  if (const auto version = in.number<uint32_t>("version"); version != kVersion)
    in.refuse(fmt::format("version {}, expected {}", version, kVersion));
  uint32_t check = 0;
  std::memcpy(&check, bytes.data() + bytes.size() - kCheck, kCheck);
  if (check != crc32_of(bytes.substr(0, bytes.size() - kCheck))) in.refuse("its checksum differs");
  const auto length = in.number<uint32_t>("length of the header");
  const nlohmann::json header = nlohmann::json::parse(in.take(length, "the header"), nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) in.refuse("its header is not a JSON object");

  Model model = empty_model(header, name);
  std::map<std::string, Entry> entries = read_entries(header, in);
  const TensorMap own = model.net.named_tensors();
  std::vector<std::string> names = model.net.param_names();
  names.insert(names.end(), model.net.buffer_names().begin(), model.net.buffer_names().end());
  TensorMap values;
  for (const std::string& tensor : names) {
    const Tensor& like = own.at(tensor);
    const auto entry = entries.find(tensor);
    values[tensor] = entry == entries.end() ? in.floats(like.numel(), "values of " + tensor).view(like.sizes())
                                            : read_quantised(entry->second, like, tensor, in);
    if (entry != entries.end()) entries.erase(entry);
  }
  if (!entries.empty()) in.refuse(fmt::format("tensor '{}' does not belong to the net", entries.begin()->first));
  if (in.left() > 0) in.refuse(fmt::format("{} bytes follow the last tensor, at byte {}", in.left(), in.place()));
  model.net.load(values, name);
  return model;
}

}  // namespace retort
