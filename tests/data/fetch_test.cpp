#include "retort/data/fetch.h"

#include "retort/base/sha256.h"
#include "retort/data/places.h"
#include "tests/data/support.h"

namespace retort {
namespace {

class Fetch : public testing::Test {
 protected:
  TemporaryFolder folder;
};

TEST_F(Fetch, TakesTheFirstUrlThatAnswers) {
  const std::string path = folder.write("a.txt", "hello");
  EXPECT_EQ(download_bytes({{"file:///nowhere/a.txt", "file://" + path}, "a.txt", sha256_of("hello"), 5}, true), "hello");
}

TEST_F(Fetch, RefusesOtherBytesThanPublished) {
  const std::string url = "file://" + folder.write("a.txt", "hello");
  EXPECT_EQ(line_of<DataError>([&] { download_bytes({{url}, "a.txt", {}, 6}, true); }), url + ": expected 6 bytes, received 5");
  EXPECT_HAS(line_of<DataError>([&] { download_bytes({{url}, "a.txt", sha256_of("jello"), 5}, true); }), "expected SHA-256");
  EXPECT_HAS(line_of<DataError>([&] {
               download_bytes({{"file:///nowhere/a.txt"}, "a.txt", {}, 0}, true);
             }),
             "cannot download file:///nowhere/a.txt: ");
}

TEST_F(Fetch, RefusesNamesItDoesNotKnow) {
  EXPECT_EQ(line_of<ConfigError>([&] { fetch_data("minst", folder.path(), true); }), "data fetch: no data set 'minst' to download");
  EXPECT_HAS(line_of<ConfigError>([&] { fetch_data("digits", folder.path(), true); }), "is shipped with retort");
}

std::string tar_entry(const std::string& name, const std::string& content) {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  header.replace(124, 11, fmt::format("{:011o}", content.size()));
  header[156] = '0';
  return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}

TEST(Tar, UnpacksFilesByTheirLastName) {
  TemporaryFolder folder;
  const std::string tar = tar_entry("set/a.bin", "abc") + tar_entry("../../b.bin", std::string(600, 'x')) + std::string(1024, '\0');
  unpack_tar(tar, "t", folder.path());
  EXPECT_EQ(std::filesystem::file_size(folder.path("a.bin")), 3u);
  EXPECT_EQ(std::filesystem::file_size(folder.path("b.bin")), 600u);
  EXPECT_HAS(line_of<DataError>([&] { unpack_tar(std::string_view(tar).substr(0, 514), "t", folder.path()); }),
             "t: expected 3 bytes of a file, found 2 at offset 512");
  EXPECT_HAS(line_of<DataError>([&] { unpack_tar(std::string_view(tar).substr(0, 100), "t", folder.path()); }),
             "expected a header of 512 bytes");
}

TEST(Places, PreferTheUsersFolder) {
  TemporaryFolder folder;
  folder.write("digits/x", "");
  setenv("RETORT_DATA", folder.path().c_str(), 1);
  EXPECT_EQ(find_data("digits"), folder.path("digits"));
  unsetenv("RETORT_DATA");
  EXPECT_NE(find_data("digits"), "");
  EXPECT_EQ(find_data("no-such-set"), "");
}

}  // namespace
}  // namespace retort
