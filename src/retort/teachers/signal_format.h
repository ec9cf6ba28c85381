// The bytes of a signal store: written, and read back without trusting one of them. All numbers are little-endian, everything starts at a multiple
// of 64; docs/formats.md has the tables.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "retort/teachers/signal_store.h"

namespace retort::signal_format {

constexpr size_t kAlign = 64;
size_t aligned(size_t offset);

std::string header_bytes(const SignalHeader& header);
// Checks all that the header says. `end`: where the first block begins. Throws DataError.
SignalHeader read_header(std::string_view file, const std::string& name, size_t& end);

// A block that begins at `offset` of the file. `columns`: the bytes of each, those of text with their offsets in front.
std::string block_bytes(int64_t number, size_t offset, int64_t rows, const std::vector<std::string>& columns);
// In place of a damaged block: these bytes hold nothing any more.
std::string struck_bytes(int64_t number, size_t offset, size_t bytes);
size_t block_header_size(const SignalHeader& header, bool struck = false);
// Reads a block header, of a block or of a struck one (no rows, no columns). Nothing where there is none that is whole and possible; the block itself
// may end behind the end of the file.
std::optional<SignalBlock> read_block(std::string_view bytes, const SignalHeader& header);

// The seal: copies of all block headers, and at the very end the place where they begin.
std::string index_bytes(std::string_view file_headers, size_t blocks, size_t offset);
// The block headers of a sealed file, and where the index begins.
std::optional<std::vector<SignalBlock>> read_index(std::string_view file, const SignalHeader& header, size_t first_block, size_t& begin);

// Rows of text: `rows` + 1 offsets of 8 bytes, from the end of the offsets, then the rows. The bytes of one row; empty optional for impossible offsets.
std::optional<std::string_view> varying_row(std::string_view column, int64_t rows, int64_t row);
std::string pack_text(const TextRow& row);
TextRow unpack_text(std::string_view bytes);  // throws DataError

}  // namespace retort::signal_format
