#include "retort/data/summary.h"

#include "tests/data/support.h"

namespace retort {
namespace {

nlohmann::json summary_of(const std::string& source) {
  DataKnobs knobs;
  knobs.source = source;
  return summarise(open_source(knobs, Seed(0)));
}

TEST(Summary, CountsImages) {
  const auto summary = summary_of("digits");
  EXPECT_EQ(summary["rows"], 1797);
  EXPECT_EQ(summary["shape"], (nlohmann::json{1, 8, 8}));
  EXPECT_EQ(summary["range"], (nlohmann::json{0.0, 255.0}));
  EXPECT_EQ(summary["classes"][0], (nlohmann::json{{"name", "0"}, {"train", 178}, {"test", 0}}));
  EXPECT_EQ(summary["first_ids"], (nlohmann::json{0, 1, 2, 3, 4}));
}

TEST(Summary, DescribesColumns) {
  TemporaryFolder folder;
  const auto summary = summary_of(folder.write("t.csv", "age,city,y\n3,Rome,a\n?,Oslo,b\n5,Rome,a\n"));
  EXPECT_EQ(summary["columns"][0], (nlohmann::json{{"name", "age"}, {"type", "number"}, {"missing", 1}, {"range", {3.0, 5.0}}}));
  EXPECT_EQ(summary["columns"][1], (nlohmann::json{{"name", "city"}, {"type", "category"}, {"missing", 0}, {"values", 2}}));
}

TEST(Summary, DescribesWorlds) {
  const auto summary = summary_of("world:canvas,rows=6,test_rows=2");
  EXPECT_EQ(summary["extra"]["boxes"], (nlohmann::json{6, 4, 5}));
  DataKnobs knobs;
  knobs.source = "world:moons,rows=50";
  EXPECT_EQ(sample_images(open_source(knobs, Seed(0)), 10).sizes(), (std::vector<int64_t>{1, 1, 256, 256}));
}

}  // namespace
}  // namespace retort
