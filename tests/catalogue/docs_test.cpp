#include "retort/catalogue/docs.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "retort/base/file.h"

namespace retort {
namespace {

TEST(Docs, ChangedAndMissingPagesAreStale) {
  const std::string folder = testing::TempDir() + "retort-docs-test";
  std::filesystem::remove_all(folder);
  const size_t all = documentation().size();
  EXPECT_EQ(stale_documentation(folder).size(), all);
  EXPECT_EQ(write_documentation(folder).size(), all);
  EXPECT_TRUE(stale_documentation(folder).empty());
  write_file(folder + "/methods.md", "something else");
  EXPECT_EQ(stale_documentation(folder), (std::vector<std::string>{folder + "/methods.md"}));
  EXPECT_EQ(write_documentation(folder).size(), 1u);
  std::filesystem::remove_all(folder);
}

TEST(Docs, EveryKnobOfEverySectionIsThere) {
  std::string all;
  for (const Page& page : documentation()) all += page.text;
  for (const char* key :
       {"`temperature`", "`label_fraction`", "`checkpoint_seconds`", "`members`", "`lr_scale`", "`crop_padding`", "## [[train.stages]]"})
    EXPECT_NE(all.find(key), std::string::npos) << key;
}

}  // namespace
}  // namespace retort
