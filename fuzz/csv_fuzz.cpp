// Whatever the text, a table is either read, fitted and encoded into finite rows, or refused with DataError or ConfigError.
#include "retort/base/error.h"
#include "retort/data/table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  retort::TableOptions options;
  options.missing = {"", "?"};
  try {
    const retort::Dataset table = retort::parse_table(std::string(reinterpret_cast<const char*>(data), size), "fuzz", options);
    const auto fitted = retort::fit_table(table.inputs, table.spec.table, "standard", "fuzz");
    const retort::Tensor rows = retort::encode_table(table.inputs, table.spec.table, fitted);
    if (rows.size(1) != retort::table_width(fitted) || !rows.isfinite().all().item<bool>()) __builtin_trap();
  } catch (const retort::DataError&) {
  } catch (const retort::ConfigError&) {
  }
  return 0;
}
