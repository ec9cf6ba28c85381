// Texts for language models: windows of characters, the next one as the label. Reached as "chars:TEXT,option=value,…", where TEXT is a known set
// (shakespeare) or the path of a file.
//
// Inputs [n, context] float32 are places in the alphabet, the bytes that occur in the text in their order; the classes are the alphabet. Windows begin
// `stride` characters apart. The last tenth of the text is the test part: no window reaches across.
#pragma once

#include <string>

#include "retort/data/sources.h"

namespace retort {

struct CharKnobs {
  int64_t context = 16, stride = 3;
  void describe(Knobs& knobs);
};

bool is_chars(const std::string& source);  // starts with "chars:"
// Throws ConfigError (options; normalise must be "none"), DataError (no such file, fewer than two symbols, a text too short).
Source open_chars(const DataKnobs& knobs);
Dataset char_windows(std::string_view text, const std::string& alphabet, const CharKnobs& knobs);

}  // namespace retort
