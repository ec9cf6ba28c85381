#include "retort/base/file.h"

#include <csignal>

#include <sys/resource.h>
#include <sys/wait.h>
#include <zlib.h>

#include "tests/support.h"

namespace retort {
namespace {

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 1000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = uInt(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = uInt(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

size_t entries(const std::string& folder) {
  size_t count = 0;
  for ([[maybe_unused]] auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

TEST(File, IsReadAsItWasWritten) {
  Scratch scratch;
  const std::string bytes("a\0b\n", 4);
  write_file(scratch.file("f"), bytes);
  EXPECT_EQ(read_file(scratch.file("f")), bytes);
  write_file(scratch.file("f"), "");
  EXPECT_EQ(read_file(scratch.file("f")), "");
  write_file_parts(scratch.file("f"), {"one ", "", "two"});
  EXPECT_EQ(read_file(scratch.file("f")), "one two");
  EXPECT_EQ(entries(scratch.path()), 1u);  // no temporary file is left
}

TEST(File, ReadsWhatHasNoSize) { EXPECT_EQ(read_file("/proc/self/comm").back(), '\n'); }

TEST(File, NamesThePathThatCannotBeRead) {
  Scratch scratch;
  EXPECT_EQ(caught<DataError>([&] { read_file("/nowhere/f"); }).line, "/nowhere/f: cannot be read: No such file or directory");
  EXPECT_EQ(caught<DataError>([&] { read_file(scratch.path()); }).line, scratch.path() + ": cannot be read: it is a folder");
}

TEST(File, KeepsALinkAndWritesItsTarget) {
  Scratch scratch;
  write_file(scratch.file("target"), "old");
  std::filesystem::create_symlink("target", scratch.file("link"));
  write_file(scratch.file("link"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(scratch.file("link")));
  EXPECT_EQ(read_file(scratch.file("target")), "new");
}

TEST(File, AFullDeviceIsAStorageErrorAndStaysADevice) {
  const Caught error = caught<StorageError>([] { write_file("/dev/full", "x"); });
  EXPECT_EQ(error.line, "/dev/full: cannot be written: No space left on device");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

// In a process of its own, whose files may not grow beyond 4096 bytes.
TEST(File, AFullDiskLeavesTheOldFileWhole) {
  Scratch scratch;
  write_file(scratch.file("f"), "the old content");
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_file(scratch.file("f"), std::string(10000, 'x'));
    } catch (const StorageError& error) {
      ::_exit(std::string(error.what()).find("File too large") != std::string::npos && !error.hint().empty() ? 0 : 2);
    }
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(read_file(scratch.file("f")), "the old content");
  EXPECT_EQ(entries(scratch.path()), 1u);
}

TEST(File, AnUnwritableFolderIsAStorageError) {
  Scratch scratch;
  write_file(scratch.file("file"), "x");
  EXPECT_NE(caught<StorageError>([&] { write_file(scratch.file("file/below"), "y"); }).line.find("Not a directory"), std::string::npos);
  EXPECT_NE(caught<StorageError>([&] { make_folders(scratch.file("file/below")); }).line.find("Not a directory"), std::string::npos);
  EXPECT_NE(caught<StorageError>([&] { write_file(scratch.file("missing/f"), "y"); }).line.find("No such file"), std::string::npos);
  EXPECT_NE(caught<StorageError>([&] { write_file(scratch.path(), "y"); }).line.find("Is a directory"), std::string::npos);
}

TEST(Folders, AreMadeOnceAndAgain) {
  Scratch scratch;
  make_folders(scratch.file("a/b/c"));
  make_folders(scratch.file("a/b/c"));
  make_folders(scratch.file("a/d/"));
  EXPECT_TRUE(file_exists(scratch.file("a/b/c")));
  EXPECT_FALSE(file_exists(scratch.file("a/x")));
}

TEST(Gzip, IsInflatedByContent) {
  Scratch scratch;
  const std::string text = std::string(100000, 'a') + "end";
  write_file(scratch.file("plain.gz"), text);
  EXPECT_EQ(read_maybe_gzip(scratch.file("plain.gz")), text);  // the name alone says nothing
  write_file(scratch.file("packed"), gzip(text));
  EXPECT_EQ(read_maybe_gzip(scratch.file("packed")), text);
  EXPECT_EQ(inflate_maybe_gzip(gzip("one ") + gzip("two"), "n"), "one two");  // members follow one another
  EXPECT_EQ(inflate_maybe_gzip(gzip(""), "n"), "");
  EXPECT_EQ(inflate_maybe_gzip("", "n"), "");
  EXPECT_EQ(inflate_maybe_gzip("\x1f", "n"), "\x1f");
}

TEST(Gzip, DamageIsADataErrorWithItsPlace) {
  const std::string whole = gzip("some text that is long enough to be packed, packed, packed");
  for (size_t size = 2; size < whole.size(); ++size) {
    const Caught error = caught<DataError>([&] { inflate_maybe_gzip(whole.substr(0, size), "x.gz"); });
    EXPECT_EQ(error.line.find("x.gz: gzip data ends early at byte "), 0u) << error.line;
  }
  std::string flipped = whole;
  flipped[flipped.size() - 6] = char(~flipped[flipped.size() - 6]);  // within the checksum
  EXPECT_EQ(caught<DataError>([&] { inflate_maybe_gzip(flipped, "x.gz"); }).line.find("x.gz: gzip data is damaged"), 0u);
  EXPECT_EQ(
      caught<DataError>([&] { inflate_maybe_gzip(whole + "junk", "x.gz"); }).line.find("x.gz: gzip data is followed by something else"),
      0u);
}

TEST(Digests, AreFixedForever) {
  EXPECT_EQ(crc32_of("123456789"), 0xcbf43926u);  // the check value of CRC-32
  EXPECT_EQ(crc32_of(""), 0u);
  EXPECT_EQ(hex_digest(""), "fdbdf6ac4fc52e7f");
  EXPECT_EQ(hex_digest("retort"), "3d21b1d4e21645b3");
  EXPECT_NE(hex_digest("a"), hex_digest("b"));
}

}  // namespace
}  // namespace retort
