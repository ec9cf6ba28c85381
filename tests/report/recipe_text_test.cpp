#include "retort/report/recipe_text.h"

#include <gtest/gtest.h>

namespace retort::report {
namespace {

TEST(RecipeText, IsColouredAndEscaped) {
  EXPECT_EQ(coloured_toml("# <hi>\n[run]\nlr = 0.1\n\nb = [\n  \"x = <y>\",\n]\n"),
            "<span class=\"comment\"># &lt;hi&gt;</span>\n<span class=\"section\">[run]</span>\n<span class=\"key\">lr </span>= 0.1\n\n"
            "<span class=\"key\">b </span>= [\n  &quot;x = &lt;y&gt;&quot;,\n]\n");
}

TEST(RecipeText, FindsWhatDiffers) {
  const std::vector<Difference> differences = differing_keys(
      {"name = 'a'\nseed = 1\n[train]\nlr = 0.1\nmilestones = [1, 2]\n[run]\ndir = 'x'\n",
       "name = 'b'\nseed = 1\n[train]\nlr = 0.2\nmilestones = [1, 2]\nema = true\n[run]\ndir = 'y'\n"});
  ASSERT_EQ(differences.size(), 2u);
  EXPECT_EQ(differences[0].key, "train.ema");
  EXPECT_EQ(differences[0].values, (std::vector<std::string>{"", "true"}));
  EXPECT_EQ(differences[1].key, "train.lr");
  EXPECT_EQ(differences[1].values, (std::vector<std::string>{"0.1", "0.2"}));
}

TEST(RecipeText, TakesWhatIsNotTomlForEmpty) {
  EXPECT_TRUE(differing_keys({"= = =", ""}).empty());
  EXPECT_EQ(differing_keys({"[", "seed = 1\n"}).size(), 1u);
}

}  // namespace
}  // namespace retort::report
