#include "retort/data/image_folder.h"

#include <filesystem>

#include <ATen/Parallel.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/data/image.h"

namespace retort {

namespace {

namespace fs = std::filesystem;

struct Labelled {
  std::string path;
  int64_t label;
};

bool is_image(const fs::path& path) {
  static const std::set<std::string> endings{".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"};
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return path.filename().string()[0] != '.' && endings.count(ending) > 0;
}

std::vector<std::string> sorted_entries(const std::string& folder, const std::function<bool(const fs::directory_entry&)>& wanted) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed))
    if (wanted(*it)) names.push_back(it->path().filename().string());
  if (failed) throw DataError(folder + ": cannot list the folder: " + failed.message(), "check the path and its permissions");
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> class_folders(const std::string& folder) {
  return sorted_entries(
      folder, [](const fs::directory_entry& entry) { return entry.is_directory() && entry.path().filename().string()[0] != '.'; });
}

std::vector<Labelled> list_images(const std::string& folder, const std::vector<std::string>& classes) {
  std::vector<Labelled> images;
  for (const auto& name : class_folders(folder)) {
    const auto label = std::find(classes.begin(), classes.end(), name) - classes.begin();
    if (label == static_cast<int64_t>(classes.size()))
      throw DataError(folder + "/" + name + ": not a class of the training part", "name the folders of both parts alike");
    for (const auto& file : sorted_entries(folder + "/" + name, [](const fs::directory_entry& entry) { return is_image(entry.path()); }))
      images.push_back({folder + "/" + name + "/" + file, label});
  }
  if (images.empty())
    throw DataError(folder + ": no images in its sub-folders",
                    "expected FOLDER/class/image.png (or .jpg); each class in a sub-folder of its own");
  return images;
}

Dataset read_part(const std::vector<Labelled>& files, const std::vector<std::string>& classes, int64_t resize, bool grey,
                  int64_t first_id) {
  std::vector<Tensor> images(files.size());
  at::parallel_for(0, static_cast<int64_t>(files.size()), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto& path = files[static_cast<size_t>(i)].path;
      Tensor image = decode_image(read_file(path), path);
      if (grey) image = grey_images(image);
      images[static_cast<size_t>(i)] = resize ? fit_images(image, resize, resize) : image;
    }
  });
  const int64_t h = images[0].size(1), w = images[0].size(2);
  int64_t channels = 1;
  for (size_t i = 0; i < images.size(); ++i) {
    channels = std::max(channels, images[i].size(0));
    if (images[i].size(1) != h || images[i].size(2) != w)
      throw DataError(
          fmt::format("{}: is {}x{} pixels, {} is {}x{}", files[i].path, images[i].size(2), images[i].size(1), files[0].path, w, h),
          "set data.resize to bring all images to one size");
  }
  Dataset data;
  data.inputs = at::empty({static_cast<int64_t>(images.size()), channels, h, w}, at::kByte);
  data.labels = at::empty({data.inputs.size(0)}, at::kLong);
  for (size_t i = 0; i < images.size(); ++i) {
    data.inputs[static_cast<int64_t>(i)].copy_(images[i].expand({channels, h, w}));
    data.labels.data_ptr<int64_t>()[i] = files[i].label;
    images[i] = Tensor();
  }
  data.ids = at::arange(first_id, first_id + data.inputs.size(0), at::kLong);
  data.spec.shape = {channels, h, w};
  data.spec.classes = classes;
  return data;
}

}  // namespace

ImageFolderParts read_image_folder(const std::string& folder, int64_t resize, bool grey) {
  std::string train = folder, test;
  if (fs::is_directory(folder + "/train")) {
    train = folder + "/train";
    for (const char* name : {"/val", "/validation", "/test"})
      if (fs::is_directory(folder + name)) test = folder + name;
  }
  const auto classes = class_folders(train);
  ImageFolderParts parts;
  parts.train = read_part(list_images(train, classes), classes, resize, grey, 0);
  if (test.empty()) return parts;
  parts.test = read_part(list_images(test, classes), classes, resize, grey, parts.train.size());
  if (parts.test.spec.shape != parts.train.spec.shape) {
    if (parts.test.spec.shape[1] != parts.train.spec.shape[1] || parts.test.spec.shape[2] != parts.train.spec.shape[2])
      throw DataError(test + ": its images are of another size than the training images",
                      "set data.resize to bring all images to one size");
    const bool colour = parts.train.spec.shape[0] == 3;  // the training part says what the net reads
    parts.test.inputs = colour ? parts.test.inputs.expand({-1, 3, -1, -1}).contiguous() : grey_images(parts.test.inputs);
    parts.test.spec.shape = parts.train.spec.shape;
  }
  return parts;
}

}  // namespace retort
