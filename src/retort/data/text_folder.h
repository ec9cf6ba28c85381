// Texts for classification: a folder with one file a class, one text a line, as hashed bags of words.
#pragma once

#include <string>
#include <string_view>

#include "retort/data/dataset.h"

namespace retort {

// Whether a folder holds such files: at least two, all of them .txt (cats.txt, dogs.txt), or of one name with the classes for endings
// (rt-polarity.neg, rt-polarity.pos).
bool is_text_folder(const std::string& path);

// Inputs [n, features] float32 (see hashed_words); rows in the order of the files' names and of their lines, blank lines left out. Bytes that are not
// ASCII count as letters, so that UTF-8 and Latin-1 both do. Throws DataError: an empty file, a zero byte.
Dataset read_text_folder(const std::string& path, int64_t features);

// Words (runs of letters, digits and apostrophes, in lower case) and pairs of neighbours, each counted at the place its FNV-1a hash names:
// 1 + log of the count, the whole row of length sqrt(features) / 8 — or all zero without words. out: [features].
void hashed_words(std::string_view text, int64_t features, float* out);

}  // namespace retort
