// Images: decoding and encoding (OpenCV), sizes, colours. Pixels are uint8, [c,h,w], RGB.
#pragma once

#include <string>
#include <string_view>

#include "retort/data/dataset.h"

namespace retort {

// PNG, JPEG, BMP …, 8 or 16 bits, transparency dropped. [1 or 3, h, w]. Throws DataError naming the file.
Tensor decode_image(std::string_view bytes, const std::string& name);

// [.., c, h, w] uint8 -> [.., c, height, width]: average pooling where both sides divide evenly by one factor; otherwise the centre of the right proportions,
// scaled by area (down) or linearly (up).
Tensor fit_images(const Tensor& images, int64_t height, int64_t width);
// [.., 3, h, w] -> [.., 1, h, w]: 0.299 R + 0.587 G + 0.114 B. One channel stays as it is.
Tensor grey_images(const Tensor& images);

// An image file as the net of `spec` wants it: [1,c,h,w] float32; colour or grey, size and scaling as in training. Dark-on-light is not turned
// into light-on-dark: a digit on white paper must be inverted by who knows. Throws DataError.
Tensor read_image(const std::string& path, const InputSpec& spec);

// PNG bytes of [c,h,w] or [h,w] uint8, c = 1 or 3.
std::string encode_png(const Tensor& image);
// Images [n,c,h,w] (uint8, or float in [0,1]; clips [n,t,c,h,w] show their frames in a row) as a grid of so many columns, one pixel apart; images
// under 32 pixels are enlarged by a whole factor. [c,H,W] uint8. write_png_grid: the same as a file; atomic, throws StorageError.
Tensor image_grid(const Tensor& images, int64_t columns);
void write_png_grid(const std::string& path, const Tensor& images, int64_t columns);

}  // namespace retort
