// Any bytes: a DataError, or a store of which everything is read or refused. The checksums of the input are set right first, so that what lies
// behind them is reached as well; the first byte says which.
#include <cstring>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/teachers/signal_format.h"
#include "retort/teachers/topk_codec.h"

namespace {

using namespace retort;

void put_sum(std::string& bytes, size_t at, size_t from, size_t length) {
  if (from > bytes.size() || length > bytes.size() - from || at + 4 > bytes.size()) return;
  const uint32_t sum = crc32_of(std::string_view(bytes).substr(from, length));
  std::memcpy(bytes.data() + at, &sum, sizeof sum);
}

void mend(std::string& bytes) {
  if (bytes.size() < 64) return;
  uint64_t text = 0;
  std::memcpy(&text, bytes.data() + 16, sizeof text);
  if (text > bytes.size()) return;
  const size_t first = signal_format::aligned(24 + text);
  put_sum(bytes, 8, 12, first - 12);
  for (size_t block = first; block + 128 <= bytes.size(); block += 64) {
    if (std::memcmp(bytes.data() + block, "RETORTBK", 8) != 0) continue;
    uint32_t columns = 0;
    std::memcpy(&columns, bytes.data() + block + 12, sizeof columns);
    if (columns > 64) continue;
    const size_t head = signal_format::aligned(64 + 16 * columns);
    size_t start = block + head;
    for (size_t i = 0; i < columns && block + 64 + 16 * i + 16 <= bytes.size() && start < bytes.size(); ++i) {
      uint64_t size = 0;
      std::memcpy(&size, bytes.data() + block + 64 + 16 * i, sizeof size);
      if (size > bytes.size() - start) break;
      put_sum(bytes, block + 64 + 16 * i + 8, start, signal_format::aligned(size));
      start += signal_format::aligned(size);
    }
    put_sum(bytes, block + 8, block + 12, head - 12);
  }
}

void read_all(const SignalStore& store) {
  const Tensor ids = store.ids();
  for (int64_t row = 0; row < ids.numel(); ++row) {
    const Tensor one = ids.slice(0, row, row + 1);
    for (const SignalColumn& column : store.header().columns) {
      try {
        if (column.varies())
          store.read_text(one);
        else if (column.name == "topk_packed")
          store.read_topk(one);
        else
          store.read(column.name, one);
      } catch (const DataError&) {
      }
    }
  }
  store.faults();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] == 1) {  // one packed row: read as it is, and what is read packs again
    const int64_t k = 1 + bytes[0] % 60, classes = k + 1000;
    try {
      const TopkRow row = unpack_topk(std::string_view(bytes).substr(1), k, classes);
      if (unpack_topk(pack_topk(row, classes, packed_topk_bytes(k, classes)), k, classes).classes.front() != row.classes.front())
        std::abort();
    } catch (const DataError&) {
    }
    return 0;
  }
  if (data[0] != 2) mend(bytes);
  MappedFile file = MappedFile::create("", bytes.size());
  std::memcpy(file.data(), bytes.data(), bytes.size());
  try {
    read_all(SignalStore(std::move(file), "input", data[0] == 3 ? Damaged::skip : Damaged::refuse));
  } catch (const DataError&) {
  }
  return 0;
}
