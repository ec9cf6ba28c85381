// What a data set holds, in numbers: the content of `retort data show`.
#pragma once

#include "retort/data/sources.h"

namespace retort {

// {"name", "kind", "path", "rows", "test_rows", "shape", "type", "classes": [{"name", "train", "test"}], "unlabelled", "first_ids",
//  images and points: "range": [low, high], "mean": [per channel or dimension],
//  tables: "columns": [{"name", "type", "missing", "range" | "values"}], "extra": {name: shape}}
nlohmann::json summarise(const Source& source);

// A few rows of each class as images [n,c,h,w] uint8 (clips: [n,t,c,h,w]), class after class, for a grid of `columns`; points become a scatter
// plot of one image. Throws DataError for tables.
Tensor sample_images(const Source& source, int64_t columns);

}  // namespace retort
