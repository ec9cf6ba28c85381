// CIFAR binaries: records of label bytes (one, or coarse and fine) and 3x32x32 pixels, plane by plane. Files may be gzip-compressed.
#pragma once

#include <string_view>

#include "retort/data/dataset.h"

namespace retort {

// The records of one file. `label_bytes`: 1 (CIFAR-10) or 2 (CIFAR-100; the second, fine label counts).
// Throws DataError (name, offset, expected, found) for a size that is no whole number of records and for a label >= classes.
Dataset parse_cifar(std::string_view bytes, const std::string& name, int label_bytes, int64_t classes);

// data_batch_*.bin and test_batch.bin (CIFAR-10), or train.bin and test.bin (CIFAR-100), .gz or not. Class names come from
// batches.meta.txt / fine_label_names.txt beside them, else "0" …. `test` stays empty when its file is absent.
struct CifarParts {
  Dataset train, test;
};
bool is_cifar_folder(const std::string& folder);
CifarParts read_cifar(const std::string& folder);

}  // namespace retort
