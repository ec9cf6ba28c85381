#include "retort/data/image.h"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "retort/base/error.h"
#include "retort/base/file.h"

namespace retort {

namespace {

// One plane at a time keeps libtorch's [c,h,w] order and needs no interleaving.
void scale_plane(const uint8_t* in, int64_t h, int64_t w, uint8_t* out, int64_t height, int64_t width) {
  // The largest centred part of the wanted proportions.
  const int64_t part_h = std::max<int64_t>(1, std::min(h, w * height / width)),
                part_w = std::max<int64_t>(1, std::min(w, h * width / height));
  const cv::Mat whole(static_cast<int>(h), static_cast<int>(w), CV_8UC1, const_cast<uint8_t*>(in));
  const cv::Mat part = whole(
      cv::Rect(static_cast<int>((w - part_w) / 2), static_cast<int>((h - part_h) / 2), static_cast<int>(part_w), static_cast<int>(part_h)));
  cv::Mat scaled(static_cast<int>(height), static_cast<int>(width), CV_8UC1, out);
  cv::resize(part, scaled, scaled.size(), 0, 0, height < part_h ? cv::INTER_AREA : cv::INTER_LINEAR);
}

// The decoders fill what a cut PNG or JPEG lacks with grey and only grumble on stderr; its end marker tells first.
bool cut_short(std::string_view bytes) {
  if (bytes.substr(0, 4) == "\x89PNG") return bytes.rfind("IEND") == bytes.npos;
  if (bytes.substr(0, 3) == "\xFF\xD8\xFF") return bytes.rfind("\xFF\xD9") == bytes.npos;
  return bytes.empty();
}

}  // namespace

Tensor decode_image(std::string_view bytes, const std::string& name) {
  cv::Mat image;
  try {
    if (!cut_short(bytes))
      image = cv::imdecode(cv::Mat(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data())), cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception&) {
    image = cv::Mat();  // told below, like every other damage
  }
  if (image.empty()) throw DataError(name + ": not a readable image", "expected a whole PNG or JPEG file; remove or replace it");
  if (image.depth() == CV_16U) image.convertTo(image, CV_8U, 1.0 / 257);
  if (image.depth() != CV_8U) throw DataError(name + ": expected 8 or 16 bits a colour", "save it as an 8-bit PNG");
  if (image.channels() == 4)
    cv::cvtColor(image, image, cv::COLOR_BGRA2RGB);
  else if (image.channels() == 3)
    cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
  else if (image.channels() == 2)
    cv::extractChannel(image, image, 0);
  if (!image.isContinuous()) image = image.clone();
  return at::from_blob(image.data, {image.rows, image.cols, image.channels()}, at::kByte).permute({2, 0, 1}).contiguous().clone();
}

Tensor fit_images(const Tensor& images, int64_t height, int64_t width) {
  const int64_t h = images.size(-2), w = images.size(-1);
  if (h == height && w == width) return images;
  auto shape = images.sizes().vec();
  shape[shape.size() - 2] = height, shape[shape.size() - 1] = width;
  if (h % height == 0 && w % width == 0 && h / height == w / width) {
    const int64_t side = h / height, area = side * side;
    const Tensor blocks = images.reshape({-1, height, side, width, side});
    return (blocks.sum({2, 4}, false, at::kInt) + area / 2).div_(area, "floor").to(at::kByte).view(shape);  // rounded to the nearest
  }
  const Tensor planes = images.contiguous().view({-1, h, w});
  Tensor out = at::empty({planes.size(0), height, width}, at::kByte);
  for (int64_t i = 0; i < planes.size(0); ++i)
    scale_plane(planes.data_ptr<uint8_t>() + i * h * w, h, w, out.data_ptr<uint8_t>() + i * height * width, height, width);
  return out.view(shape);
}

Tensor grey_images(const Tensor& images) {
  if (images.size(-3) != 3) return images;
  const Tensor wide = images.to(at::kFloat);
  return (wide.select(-3, 0) * 0.299 + wide.select(-3, 1) * 0.587 + wide.select(-3, 2) * 0.114)
      .round_()
      .clamp_(0, 255)
      .to(at::kByte)
      .unsqueeze(-3);
}

Tensor read_image(const std::string& path, const InputSpec& spec) {
  if (spec.shape.size() != 3)
    throw DataError(path + ": the model does not read images",
                    fmt::format("its input has {} dimension{}; images have 3", spec.shape.size(), spec.shape.size() == 1 ? "" : "s"));
  Tensor image = decode_image(read_file(path), path);
  if (spec.shape[0] == 1) image = grey_images(image);
  if (spec.shape[0] == 3 && image.size(0) == 1) image = image.expand({3, -1, -1}).contiguous();
  if (image.size(0) != spec.shape[0])
    throw DataError(fmt::format("{}: the model wants {} channels, the image has {}", path, spec.shape[0], image.size(0)));
  return prepare(fit_images(image, spec.shape[1], spec.shape[2]).unsqueeze(0), spec);
}

std::string encode_png(const Tensor& image) {
  Tensor pixels = image.dim() == 2 ? image.unsqueeze(0) : image;
  TORCH_CHECK(pixels.dim() == 3 && pixels.scalar_type() == at::kByte && (pixels.size(0) == 1 || pixels.size(0) == 3),
              "encode_png: expected [1 or 3, h, w] uint8");
  if (pixels.size(0) == 3) pixels = pixels.flip(0);  // OpenCV reads BGR
  pixels = pixels.permute({1, 2, 0}).contiguous();
  const cv::Mat mat(static_cast<int>(pixels.size(0)), static_cast<int>(pixels.size(1)), CV_8UC(static_cast<int>(pixels.size(2))),
                    pixels.data_ptr());
  std::vector<uint8_t> png;
  cv::imencode(".png", mat, png);
  return std::string(png.begin(), png.end());
}

Tensor image_grid(const Tensor& images, int64_t columns) {
  Tensor tiles = images.is_floating_point() ? (images * 255).round().clamp(0, 255).to(at::kByte) : images;
  if (tiles.dim() == 5) tiles = tiles.flatten(0, 1);
  TORCH_CHECK(tiles.dim() == 4 && tiles.size(0) > 0 && columns > 0, "image_grid: expected at least one image [n,c,h,w] and one column");
  if (tiles.size(1) == 2 || tiles.size(1) > 3) tiles = tiles.narrow(1, 0, 1);
  const int64_t factor = std::max<int64_t>(1, 32 / std::max(tiles.size(2), tiles.size(3)));
  tiles = tiles.repeat_interleave(factor, 2).repeat_interleave(factor, 3);
  const int64_t n = tiles.size(0), h = tiles.size(2), w = tiles.size(3), across = std::min(columns, n), rows = (n + across - 1) / across;
  Tensor grid = at::full({tiles.size(1), rows * (h + 1) - 1, across * (w + 1) - 1}, 64, at::kByte);
  for (int64_t i = 0; i < n; ++i) grid.narrow(1, i / across * (h + 1), h).narrow(2, i % across * (w + 1), w).copy_(tiles[i]);
  return grid;
}

void write_png_grid(const std::string& path, const Tensor& images, int64_t columns) {
  write_file(path, encode_png(image_grid(images, columns)));
}

}  // namespace retort
