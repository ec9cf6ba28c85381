#include "retort/teachers/signal_store.h"

#include <cstring>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/teachers/signal_format.h"
#include "retort/teachers/topk_codec.h"

namespace retort {
namespace {

const char* const kAgain = "capture again what is missing: a capture into the same file goes on from here";
const char* const kAway = "capture the data set that the recipe names, all of it";

// "sample ids 3 to 5", "sample ids 3, 8, 1 … (900 in all)".
std::string ids_text(const int64_t* ids, int64_t count) {
  constexpr int64_t kShown = 20;
  bool run = true;
  for (int64_t i = 1; i < count && run; ++i) run = ids[i] == ids[0] + i;
  if (count == 1) return fmt::format("sample id {}", ids[0]);
  if (run) return fmt::format("sample ids {} to {}", ids[0], ids[count - 1]);
  const auto shown = fmt::format("{}", fmt::join(ids, ids + std::min(count, kShown), ", "));
  return count <= kShown ? "sample ids " + shown : fmt::format("sample ids {} … ({} in all)", shown, count);
}

}  // namespace

std::shared_ptr<const SignalStore> SignalStore::open(const std::string& path, Damaged damaged) {
  return std::make_shared<SignalStore>(MappedFile::open(path), path, damaged);
}

SignalStore::SignalStore(MappedFile bytes, std::string name, Damaged damaged) : bytes_(std::move(bytes)), name_(std::move(name)) {
  size_t first_block = 0;
  header_ = signal_format::read_header(bytes_.bytes(), name_, first_block);
  if (auto indexed = signal_format::read_index(bytes_.bytes(), header_, first_block, whole_bytes_)) {
    sealed_ = true;
    blocks_ = std::move(*indexed);
  } else {
    find_blocks(first_block);
  }
  int64_t rows = 0;
  for (SignalBlock& block : blocks_) {
    block.first_row = rows;
    rows += block.rows;
  }
  checked_ = std::vector<std::atomic<bool>>(blocks_.size() * header_.columns.size());
  if (!sealed_) drop_torn_block();
  fill_table(damaged);
}

// Of a file without an index: from header to header. Where one is damaged, the next whole one is looked for; where none follows, the rest is what
// a writer that was stopped left behind.
void SignalStore::find_blocks(size_t offset) {
  const std::string_view file = bytes_.bytes();
  int64_t number = 0;
  const auto block_at = [&](size_t place) {
    auto block = signal_format::read_block(file.substr(place), header_);
    if (block && (block->offset != place || block->bytes > file.size() - place || block->number < number)) block.reset();
    return block;
  };
  while (offset < file.size()) {
    std::optional<SignalBlock> block = block_at(offset);
    if (!block) {
      size_t next = offset + signal_format::kAlign;
      while (next < file.size() && !block_at(next)) next += signal_format::kAlign;
      if (next >= file.size()) break;
      block = SignalBlock{};  // what lies between may have been several blocks; it is named as one
      block->number = number;
      block->offset = offset;
      block->bytes = next - offset;
    }
    blocks_.push_back(*block);
    number = block->number + 1;
    offset += block->bytes;
  }
  whole_bytes_ = std::min(offset, file.size());
  torn_bytes_ = file.size() - whole_bytes_;
}

// A power cut may leave a last block whose length is right and whose bytes are not.
void SignalStore::drop_torn_block() {
  if (!blocks_.empty() && !whole(blocks_.size() - 1)) {
    whole_bytes_ = blocks_.back().offset;
    torn_bytes_ = bytes_.size() - whole_bytes_;
    blocks_.pop_back();
  }
  if (torn_bytes_ > 0) {
    warnings_.push_back(fmt::format("{}: not finished: {} bytes behind the last whole block (from byte {}) are left out", name_,
                                    torn_bytes_, whole_bytes_));
  }
}

void SignalStore::fill_table(Damaged damaged) {
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i].struck) continue;
    if (!ids_known(i) || (damaged == Damaged::skip && !whole(i))) {
      warnings_.push_back(fmt::format("{}: {}; it is left out", name_, fault(i)));
      continue;
    }
    runs_.push_back({table_.size(), i});
    for (int64_t row = 0; row < blocks_[i].rows; ++row) {
      const int64_t id = ids_of(i)[row], expected = table_.size();
      if (table_.add(id) != expected) throw DataError(fmt::format("{}: sample id {} comes twice", name_, id), "capture the signals again");
    }
  }
}

const int64_t* SignalStore::ids_of(size_t block) const {
  return reinterpret_cast<const int64_t*>(bytes_.data() + blocks_[block].starts[0]);
}
bool SignalStore::ids_known(size_t block) const { return blocks_[block].rows > 0 && whole(block, 0); }

bool SignalStore::whole(size_t block, size_t column) const {
  std::atomic<bool>& checked = checked_[block * header_.columns.size() + column];
  if (checked.load(std::memory_order_relaxed)) return true;
  const SignalBlock& b = blocks_[block];
  if (b.rows == 0) return false;
  const size_t padded = signal_format::aligned(b.sizes[column]);
  if (crc32_of(bytes_.bytes().substr(b.starts[column], padded)) != b.checksums[column]) return false;
  checked.store(true, std::memory_order_relaxed);
  return true;
}

bool SignalStore::whole(size_t block) const {
  if (blocks_[block].struck) return true;
  bool all = header_whole(block);
  for (size_t column = 0; column < header_.columns.size(); ++column) all = all && whole(block, column);
  return all;
}

// The index has a copy, by which the block is read all the same.
bool SignalStore::header_whole(size_t block) const {
  return blocks_[block].rows > 0 && signal_format::read_block(bytes_.bytes().substr(blocks_[block].offset), header_).has_value();
}

std::string SignalStore::fault(size_t block) const {
  const SignalBlock& b = blocks_[block];
  const std::string place = fmt::format("bytes {} to {}", b.offset, b.offset + b.bytes - 1);
  if (b.rows == 0) return fmt::format("block {} ({}) is damaged: its rows and ids are unknown", b.number, place);
  std::vector<std::string> bad;
  if (!header_whole(block)) bad.push_back("its header");
  for (size_t column = 0; column < header_.columns.size(); ++column) {
    if (!whole(block, column)) bad.push_back(fmt::format("'{}'", header_.columns[column].name));
  }
  return fmt::format("block {} (rows {} to {}, {}, {}) is damaged: {}", b.number, b.first_row, b.first_row + b.rows - 1,
                     ids_known(block) ? ids_text(ids_of(block), b.rows) : "sample ids unknown", place, fmt::join(bad, ", "));
}

std::vector<std::string> SignalStore::faults() const {
  std::vector<std::string> found;
  for (size_t block = 0; block < blocks_.size(); ++block) {
    if (!whole(block)) found.push_back(fault(block));
  }
  if (torn_bytes_ > 0)
    found.push_back(fmt::format("not finished: {} bytes behind the last whole block, from byte {}", torn_bytes_, whole_bytes_));
  return found;
}

void SignalStore::verify() const {
  if (const auto found = faults(); !found.empty()) throw DataError(fmt::format("{}: {}", name_, fmt::join(found, "; ")), kAgain);
}

const SignalColumn* SignalStore::column(const std::string& name) const {
  const auto found = std::find_if(header_.columns.begin(), header_.columns.end(), [&](const SignalColumn& c) { return c.name == name; });
  return found == header_.columns.end() ? nullptr : &*found;
}

Access SignalStore::access() const {
  if (column("logits")) {
    const auto is_feature = [](const SignalColumn& c) { return c.name.compare(0, 8, "feature:") == 0; };
    return std::any_of(header_.columns.begin(), header_.columns.end(), is_feature) ? Access::features : Access::logits;
  }
  if (topk() > 0) return Access::topk;
  if (column("labels")) return Access::hard_labels;
  return column("text") ? Access::text : Access::none;
}

int64_t SignalStore::topk() const {
  if (const SignalColumn* values = column("topk_values")) return values->shape[0];
  const SignalColumn* packed = column("topk_packed");
  return packed ? packed->k : 0;
}

Tensor SignalStore::ids() const { return at::tensor(table_.ids(), at::kLong); }

size_t SignalStore::index_of(const std::string& name) const {
  const SignalColumn* const found = column(name);
  if (!found) throw std::invalid_argument("SignalStore: no column " + name);
  return static_cast<size_t>(found - header_.columns.data());
}

// Where the rows of these ids lie; the blocks that they lie in are whole.
std::vector<SignalStore::Place> SignalStore::places(size_t column, const Tensor& ids) const {
  const Tensor list = ids.to(at::kCPU, at::kLong).contiguous();
  const auto* const numbers = list.data_ptr<int64_t>();
  std::vector<Place> found(static_cast<size_t>(list.numel()));
  int64_t first = 0, last = 0;  // rows of the run in which the id before was found
  size_t block = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const int64_t row = table_.find(numbers[i]);
    if (row < 0) throw unknown(numbers[i]);
    if (row < first || row >= last) {
      const auto run = std::upper_bound(runs_.begin(), runs_.end(), row, [](int64_t r, const auto& entry) { return r < entry.first; }) - 1;
      first = run->first;
      block = run->second;
      last = first + blocks_[block].rows;
      if (!whole(block, column))
        throw DataError(fmt::format("{}: {}", name_, fault(block)), "skip damaged blocks, or capture again what is missing");
    }
    found[i] = {block, row - first};
  }
  return found;
}

DataError SignalStore::unknown(int64_t id) const {
  std::string lost;
  size_t count = 0;
  for (size_t block = 0; block < blocks_.size(); ++block) {
    if (!blocks_[block].struck && !ids_known(block) && count++ == 0) lost = fault(block);
  }
  if (count == 0) return DataError(fmt::format("{}: nothing was captured for sample id {}", name_, id), kAway);
  return DataError(
      fmt::format("{}: nothing is known of sample id {}; {}{}", name_, id, lost, count > 1 ? fmt::format(" (and {} more)", count - 1) : ""),
      kAgain);
}

Tensor SignalStore::read(const std::string& name, const Tensor& ids) const {
  const size_t index = index_of(name);
  const SignalColumn& found = header_.columns[index];
  if (found.varies()) throw std::invalid_argument("SignalStore: read_text reads " + name);
  const std::vector<Place> rows = places(index, ids);
  std::vector<int64_t> shape = found.shape;
  shape.insert(shape.begin(), static_cast<int64_t>(rows.size()));
  const Tensor values = at::empty(shape, at::TensorOptions(found.type));
  const auto size = static_cast<size_t>(found.row_bytes());
  char* to = static_cast<char*>(values.data_ptr());
  for (const Place& place : rows) {
    std::memcpy(to, bytes_.data() + blocks_[place.block].starts[index] + static_cast<size_t>(place.row) * size, size);
    to += size;
  }
  return values.to(at::isFloatingType(found.type) ? at::kFloat : at::kLong);
}

Signals SignalStore::read_topk(const Tensor& ids) const {
  Signals said;
  if (column("topk_values")) {
    said.topk_values = read("topk_values", ids);
    said.topk_indices = read("topk_indices", ids);
    said.topk_tail = read("topk_tail", ids);
    return said;
  }
  const size_t index = index_of("topk_packed");
  const SignalColumn& packed = header_.columns[index];
  const std::vector<Place> rows = places(index, ids);
  const auto count = static_cast<int64_t>(rows.size());
  said.topk_values = at::empty({count, packed.k});
  said.topk_indices = at::empty({count, packed.k}, at::kLong);
  said.topk_tail = at::empty({count});
  const auto size = static_cast<size_t>(packed.row_bytes());
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string_view bytes = bytes_.bytes().substr(blocks_[rows[i].block].starts[index] + static_cast<size_t>(rows[i].row) * size,
                                                         size);
    const TopkRow row = unpack_topk(bytes, packed.k, classes());
    const size_t first = i * static_cast<size_t>(packed.k);
    std::copy(row.values.begin(), row.values.end(), said.topk_values.data_ptr<float>() + first);
    std::copy(row.classes.begin(), row.classes.end(), said.topk_indices.data_ptr<int64_t>() + first);
    said.topk_tail.data_ptr<float>()[i] = row.tail;
  }
  return said;
}

std::string_view SignalStore::row_bytes(size_t column, Place place) const {
  const SignalBlock& block = blocks_[place.block];
  const std::string_view bytes = bytes_.bytes().substr(block.starts[column], block.sizes[column]);
  if (!header_.columns[column].varies()) {
    const auto size = static_cast<size_t>(header_.columns[column].row_bytes());
    return bytes.substr(static_cast<size_t>(place.row) * size, size);
  }
  const auto row = signal_format::varying_row(bytes, block.rows, place.row);
  if (!row)
    throw DataError(fmt::format("{}: row {} of block {} has no place in '{}'", name_, block.first_row + place.row, block.number,
                                header_.columns[column].name),
                    kAgain);
  return *row;
}

std::vector<TextRow> SignalStore::read_text(const Tensor& ids) const {
  const size_t index = index_of("text");
  std::vector<TextRow> texts;
  for (const Place& place : places(index, ids)) {
    try {
      texts.push_back(signal_format::unpack_text(row_bytes(index, place)));
    } catch (const DataError& error) {
      throw DataError(fmt::format("{}: row {} of block {}: {}", name_, blocks_[place.block].first_row + place.row,
                                  blocks_[place.block].number, error.what()),
                      kAgain);
    }
  }
  return texts;
}

}  // namespace retort
