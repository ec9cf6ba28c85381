#include "retort/catalogue/catalogue.h"

#include <gtest/gtest.h>

#include "retort/base/error.h"
#include "retort/catalogue/evidence.h"
#include "retort/catalogue/places.h"

namespace retort {
namespace {

TEST(Catalogue, EveryMethodSaysWhatItIs) {
  std::set<std::string> ids;
  for (const Method& method : methods()) {
    const MethodInfo& info = method.info;
    EXPECT_TRUE(ids.insert(info.id).second) << info.id << " is there twice";
    EXPECT_FALSE(info.idea_line.empty()) << info.id;
    EXPECT_FALSE(info.family.empty()) << info.id;
    EXPECT_TRUE(!info.source_line.empty() || info.paper_number == 0) << info.id;
    for (const Knob& knob : method.knobs()) EXPECT_FALSE(knob.help.empty()) << info.id << " " << knob.name;
  }
  for (const char* id : {"ce", "ls", "kd.hinton", "kd.dkd", "kd.fitnet", "kd.crd"}) EXPECT_TRUE(ids.count(id)) << id;
}

TEST(Catalogue, DefaultsLieInTheirRanges) {
  for (const Method& method : methods())
    for (const Knob& knob : method.knobs())
      if (knob.range.accepts) EXPECT_TRUE(knob.range.accepts(knob.initial)) << method.info.id << " " << knob.name;
}

TEST(Catalogue, UnknownIdsNameTheNearest) {
  EXPECT_EQ(find_method("kd.hinton").info.id, "kd.hinton");
  try {
    find_method("kd.hintn");
    ADD_FAILURE();
  } catch (const ConfigError& error) {
    EXPECT_NE(error.hint().find("kd.hinton"), std::string::npos);
  }
}

TEST(Catalogue, AccessIsAFilter) {
  const auto has = [](const std::vector<std::string>& ids, const char* id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); };
  const auto labels = methods_that_work_with(Access::hard_labels), features = methods_that_work_with(Access::features);
  EXPECT_TRUE(has(labels, "ce"));
  EXPECT_FALSE(has(labels, "kd.hinton"));
  EXPECT_TRUE(has(features, "kd.hinton"));
  EXPECT_TRUE(has(features, "kd.fitnet"));
}

TEST(Catalogue, AMethodRunsUnderItsOwnVerbOnly) {
  try {
    run_recipe(Recipe::parse("method = \"ce\"\n", "r.toml"), "condense", false, true);
    ADD_FAILURE();
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.what(), std::string("r.toml:1: method: ce belongs to `retort distill`, not to `retort condense`"));
  }
  EXPECT_THROW(run_recipe(Recipe::parse("seed = 1\n", "r.toml"), "", false, true), ConfigError);
}

TEST(Evidence, ShippedFindingsAreRead) {
  const Evidence hinton = load_evidence("kd.hinton");
  ASSERT_FALSE(hinton.sections.empty());
  for (const auto& section : hinton.sections) EXPECT_TRUE(section.contains("verdict"));
  EXPECT_NE(proof_status(hinton), "not run");
  EXPECT_EQ(proof_status(load_evidence("no-such-method")), "not run");
}

TEST(Places, ShippedThingsAreFoundByName) {
  EXPECT_EQ(find_named("recipe", "recipes", "quickstart"), "recipes/quickstart.toml");
  EXPECT_EQ(find_named("recipe", "recipes", "recipes/quickstart.toml"), "recipes/quickstart.toml");
  try {
    find_named("recipe", "recipes", "quikstart");
    ADD_FAILURE();
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.hint(), "did you mean \"quickstart\"?");
  }
}

}  // namespace
}  // namespace retort
