// The bytes of a file as memory: big captured data are read where they lie, and written in place before they appear under their name.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace retort {

class MappedFile {
 public:
  static MappedFile open(const std::string& path);  // read only; throws DataError
  // `bytes` of zeros to write to. Nothing is at `path` before commit(); an empty path means memory that no file backs. Room on the disk is
  // taken at once. Throws StorageError.
  static MappedFile create(const std::string& path, size_t bytes);
  void commit();  // to the disk, then under its name; throws StorageError

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();  // what was created and not committed leaves nothing behind

  char* data() const { return data_; }  // of an opened file: not to be written to
  size_t size() const { return size_; }
  std::string_view bytes() const { return {data_, size_}; }

 private:
  MappedFile() = default;
  char* data_ = nullptr;
  size_t size_ = 0;
  int file_ = -1;
  std::string path_, part_;
};

}  // namespace retort
