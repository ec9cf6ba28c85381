// Downloading public sets into the cache folder.
#pragma once

#include <string>
#include <string_view>

#include "retort/data/sources.h"

namespace retort {

// Downloads what a known set needs into `folder`/<its place> and returns that place; files that are there already are kept. Each file appears
// whole or not at all, and only if its size and SHA-256 are the known ones. Throws ConfigError (unknown name), DataError (network, checksum),
// StorageError, Interrupted.
std::string fetch_data(const std::string& name, const std::string& folder, bool quiet = false);

// The bytes of the first URL that answers. Throws DataError naming the last URL and what the network said.
std::string download_bytes(const Download& what, bool quiet = false);

// Writes the regular files of a tar archive into `folder`, by their last path component. Throws DataError (name, offset) for damage.
void unpack_tar(std::string_view tar, const std::string& name, const std::string& folder);

}  // namespace retort
