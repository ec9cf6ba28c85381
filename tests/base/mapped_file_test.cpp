#include "retort/base/mapped_file.h"

#include <cstring>

#include "retort/base/file.h"
#include "tests/support.h"

namespace retort {
namespace {

TEST(MappedFile, AppearsWhenItIsCommitted) {
  Scratch scratch;
  const std::string path = scratch.file("f");
  {
    MappedFile file = MappedFile::create(path, 5);
    EXPECT_EQ(file.bytes(), std::string_view("\0\0\0\0\0", 5));
    std::memcpy(file.data(), "hello", 5);
    EXPECT_FALSE(file_exists(path));
    file.commit();
    EXPECT_EQ(read_file(path), "hello");
  }
  EXPECT_EQ(MappedFile::open(path).bytes(), "hello");
}

TEST(MappedFile, LeavesNothingBehindWhenItIsNot) {
  Scratch scratch;
  { MappedFile::create(scratch.file("f"), 100); }
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(MappedFile, MayBeMemoryAlone) {
  MappedFile memory = MappedFile::create("", 4096);
  memory.data()[4095] = 'x';
  memory.commit();
  const MappedFile moved = std::move(memory);
  EXPECT_EQ(moved.bytes().back(), 'x');
}

TEST(MappedFile, SaysWhatItCannotDo) {
  Scratch scratch;
  EXPECT_THROW(MappedFile::open(scratch.file("nothing")), DataError);
  EXPECT_THROW(MappedFile::open(scratch.path()), DataError);
  EXPECT_THROW(MappedFile::create(scratch.file("no/folder/f"), 10), StorageError);
  EXPECT_THROW(MappedFile::create(scratch.file("huge"), size_t(1) << 60), StorageError);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
  write_file(scratch.file("empty"), "");
  EXPECT_EQ(MappedFile::open(scratch.file("empty")).size(), 0u);
}

}  // namespace
}  // namespace retort
