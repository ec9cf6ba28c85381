// Files appear whole or not at all, and every failure names the path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace retort {

std::string read_file(const std::string& path);        // throws DataError
std::string read_maybe_gzip(const std::string& path);  // inflates .gz (by content); throws DataError with the path on damage
std::string inflate_maybe_gzip(std::string bytes, const std::string& name);  // the same for bytes already read
// Temp file in the same folder, fsync, rename, fsync of the folder: the old file or the new one, never a part. Devices and pipes are
// written directly. Throws StorageError.
void write_file(const std::string& path, std::string_view bytes);
void write_file_parts(const std::string& path, const std::vector<std::string_view>& parts);
void make_folders(const std::string& path);  // throws StorageError
bool file_exists(const std::string& path);
std::string hex_digest(std::string_view bytes);  // 16 hex digits, FNV-1a based; stable across machines; not cryptographic
std::string base64(std::string_view bytes);      // RFC 4648, padded
uint32_t crc32_of(std::string_view bytes);

}  // namespace retort
