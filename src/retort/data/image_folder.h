// A folder of images, one sub-folder a class; with train/ and test/ (or val/) above them, the latter is the official test part.
#pragma once

#include "retort/data/dataset.h"

namespace retort {

struct ImageFolderParts {
  Dataset train, test;  // test is empty without its folder
};

// Files are read in the order of class and file name, so that ids are stable; names that start with a dot and files that are not images by
// their ending are passed over. `resize`: the side all images are brought to, 0: they must agree. Colour when one image is, unless `grey`.
// Throws DataError: no images, an unreadable one, different sizes without resize, a test class that is not a training class.
ImageFolderParts read_image_folder(const std::string& folder, int64_t resize = 0, bool grey = false);

}  // namespace retort
