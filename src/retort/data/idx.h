// The IDX format of MNIST: 00 00, type, dimensions, big-endian sizes, big-endian values. Files may be gzip-compressed.
#pragma once

#include <string>
#include <string_view>

#include "retort/data/dataset.h"

namespace retort {

// All element types of the format (u8, i8, i16, i32, f32, f64), in native byte order and the file's shape.
// Throws DataError (name, offset, expected, found) for a wrong magic, impossible sizes, a short file or bytes after the end.
Tensor parse_idx(std::string_view bytes, const std::string& name);
Tensor read_idx(const std::string& path);

// Images [n,h,w] or [n,c,h,w] (u8) and labels [n] (u8). `classes`: names; when empty they are 0 … largest label.
// Throws DataError when the two differ in length or a label is out of range (with the offset of the byte).
Dataset read_idx_pair(const std::string& images, const std::string& labels, std::vector<std::string> classes = {});

// The labels file that belongs to an images file (…images-idx3-ubyte.gz: …labels-idx1-ubyte.gz, compressed or not); empty when there is none.
std::string idx_labels_beside(const std::string& images);

}  // namespace retort
