#include <filesystem>

#include <unistd.h>

#include "retort/base/error.h"
#include "retort/teachers/signal_format.h"
#include "retort/teachers/signal_rows.h"
#include "retort/teachers/signal_writer.h"

namespace retort {

MergeSummary merge_signal_stores(const std::vector<std::string>& paths, const std::string& out) {
  if (paths.empty()) throw ConfigError("no signal stores to merge", "name those that captures wrote");
  std::vector<std::shared_ptr<const SignalStore>> stores;
  for (const std::string& path : paths) {
    stores.push_back(SignalStore::open(path));
    stores.back()->verify();
    if (const std::string other = difference(stores.front()->header(), stores.back()->header()); !other.empty()) {
      throw ConfigError(fmt::format("{} and {} hold different signals: {}", paths.front(), path, other), "merge parts of one capture");
    }
  }
  MergeSummary summary;
  write_signals(out, stores.front()->header(), 1024, [&](SignalWriter& writer) {
    for (size_t i = 0; i < stores.size(); ++i) {
      const Tensor ids = stores[i]->ids();
      for (int64_t row = 0; row < ids.numel(); ++row) {
        const int64_t id = ids.data_ptr<int64_t>()[row];
        if (!writer.has(id)) {
          writer.append(*stores[i], id);
          ++summary.rows;
          continue;
        }
        const auto first = std::find_if(stores.begin(), stores.end(), [&](const auto& store) { return store->has(id); });
        if (const std::string column = SignalRows::other_answer(**first, *stores[i], id); !column.empty()) {
          throw DataError(fmt::format("{} and {} hold different '{}' for sample id {}", (*first)->name(), paths[i], column, id),
                          "capture one of the two again");
        }
        ++summary.repeated;
      }
    }
  });
  return summary;
}

void write_signals(const std::string& path, const SignalHeader& header, int64_t block_rows,
                   const std::function<void(SignalWriter&)>& fill) {
  const std::filesystem::path target(path);
  const std::string part = (target.parent_path() / fmt::format(".{}.{}.part", target.filename().string(), ::getpid())).string();
  ::unlink(part.c_str());  // of a program of this number that was killed
  try {
    SignalWriter writer(part, header, block_rows, /*sync_blocks=*/false);
    fill(writer);
    writer.seal();
    std::filesystem::rename(part, target);
  } catch (const std::filesystem::filesystem_error& error) {
    ::unlink(part.c_str());
    throw StorageError(fmt::format("{}: cannot be written: {}", path, error.code().message()),
                       "check that the folder exists and may be written");
  } catch (...) {
    ::unlink(part.c_str());
    throw;
  }
}

}  // namespace retort
