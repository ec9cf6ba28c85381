#include "retort/report/run_view.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "retort/base/error.h"

namespace retort {
namespace {

namespace fs = std::filesystem;

class RunFolderFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() /
             ("retort_run_view_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }
  void file(const std::string& name, const std::string& text) { std::ofstream(folder / name) << text; }
  fs::path folder;
};

TEST_F(RunFolderFiles, ReadsAllThreeFiles) {
  file("run.json", R"({"name": "a"})");
  file("metrics.jsonl", "{\"step\":1}\n{\"step\":2}\n");
  file("recipe.toml", "seed = 1\n");
  const RunView run = load_run(folder.string());
  EXPECT_EQ(run.run["name"], "a");
  ASSERT_EQ(run.metrics.size(), 2u);
  EXPECT_EQ(run.metrics[1]["step"], 2);
  EXPECT_EQ(run.recipe, "seed = 1\n");
}

TEST_F(RunFolderFiles, LeavesOutTheRowThatIsBeingWritten) {
  file("metrics.jsonl", "{\"step\":1}\n\n{\"step\":2}\n{\"step\":");
  const RunView run = load_run(folder.string());
  EXPECT_EQ(run.metrics.size(), 2u);
  EXPECT_TRUE(run.run.is_null());
}

TEST_F(RunFolderFiles, NamesTheLineOfADamagedRow) {
  file("metrics.jsonl", "{\"step\":1}\nnot json\n");
  try {
    load_run(folder.string());
    FAIL();
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("metrics.jsonl:2: not JSON at byte"), std::string::npos) << error.what();
  }
}

TEST_F(RunFolderFiles, RefusesAFolderThatIsNoRun) {
  EXPECT_THROW(load_run(folder.string()), DataError);
  EXPECT_THROW(load_run((folder / "nowhere").string()), DataError);
}

TEST(RunLabels, AreDistinct) {
  const auto run = [](const char* folder, const char* name) { return RunView{folder, {{"name", name}}, {}, {}}; };
  EXPECT_EQ(run_labels({run("runs/x", "a"), run("runs/y", "b")}), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(run_labels({run("runs/x", "a"), run("runs/y/", "a")}), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(run_labels({run("p/x", "a"), run("q/x", "a")}), (std::vector<std::string>{"x", "x (2)"}));
  EXPECT_EQ(run_labels({RunView{}, RunView{}}), (std::vector<std::string>{"run", "run (2)"}));
}

TEST(JsonLooks, NeverThrow) {
  const nlohmann::json value = {{"text", "x"}, {"number", 2.5}, {"list", {1, 2}}, {"flag", true}};
  EXPECT_EQ(report::text_at(value, "text"), "x");
  EXPECT_EQ(report::text_at(value, "number"), "2.5");
  EXPECT_EQ(report::text_at(value, "list"), "");
  EXPECT_EQ(report::number_at(value, "number"), 2.5);
  EXPECT_TRUE(std::isnan(report::number_at(value, "text")));
  EXPECT_TRUE(std::isnan(report::number_at(7, "text")));
  EXPECT_EQ(report::list(report::member(value, "list")).size(), 2u);
  EXPECT_TRUE(report::list(value).empty());
  EXPECT_TRUE(report::member(nlohmann::json::array(), "x").is_null());
}

}  // namespace
}  // namespace retort
