#include "retort/base/recipe.h"

#include <fstream>

#include "tests/support.h"

namespace retort {
namespace {

struct Train {
  int64_t epochs = 3;
  double lr = 0.1;
  bool shuffle = true;
  std::string optimiser = "sgd";
  std::vector<int64_t> milestones;
  std::vector<double> betas = {0.9, 0.999};
  std::vector<std::string> freeze = {"a"};
  void describe(Knobs& knobs) {
    knobs("epochs", epochs, "passes over the data", at_least(1));
    knobs("lr", lr, "learning rate", above(0));
    knobs("shuffle", shuffle, "mix the order");
    knobs("optimiser", optimiser, "how to step", one_of({"sgd", "adam"}));
    knobs("milestones", milestones, "epochs at which the rate drops");
    knobs("betas", betas, "moments", between(0, 1));
    knobs("freeze", freeze, "parameters that stay");
  }
};
struct Top {
  std::string method;
  void describe(Knobs& knobs) { knobs("method", method, "what to run"); }
};

Recipe recipe(const std::string& toml, const std::vector<std::string>& sets = {}) { return Recipe::parse(toml, "r.toml", sets); }

TEST(Recipe, FillsASectionAndLeavesDefaults) {
  Recipe r = recipe("[train]\nepochs = 7\nlr = 1\nmilestones = [1, 2]\nbetas = [0, 0.5]\nfreeze = []\n");
  Train train = r.read<Train>("train");
  EXPECT_EQ(train.epochs, 7);
  EXPECT_EQ(train.lr, 1.0);  // a whole number is a number
  EXPECT_TRUE(train.shuffle);
  EXPECT_EQ(train.milestones, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(train.betas, (std::vector<double>{0, 0.5}));
  EXPECT_TRUE(train.freeze.empty());
  r.finish();
}

TEST(Recipe, NamesTheLineOfAWrongType) {
  Recipe r = recipe("[train]\n\nepochs = \"many\"\n");
  Caught error = caught<ConfigError>([&] { r.read<Train>("train"); });
  EXPECT_EQ(error.line, "r.toml:3: train.epochs: expected a whole number >= 1, received \"many\"");
  EXPECT_EQ(error.hint, "epochs: passes over the data (default 3)");
}

TEST(Recipe, RefusesEveryKindOfWrongValue) {
  for (const char* line :
       {"epochs = 1.5", "epochs = true", "epochs = [1]", "epochs = {a = 1}", "shuffle = 1", "optimiser = 3", "milestones = 3",
        "milestones = [1.5]", "milestones = [\"a\"]", "betas = [0.5, 2]", "lr = inf", "lr = nan", "freeze = [1]", "epochs = 2020-01-01"}) {
    Recipe r = recipe(std::string("[train]\n") + line);
    Caught error = caught<ConfigError>([&] { r.read<Train>("train"); });
    EXPECT_EQ(error.line.find("r.toml:2: train."), 0u) << error.line;
    EXPECT_NE(error.line.find("expected"), std::string::npos) << error.line;
  }
}

TEST(Recipe, NamesTheRange) {
  Recipe r = recipe("[train]\nlr = -1\n");
  EXPECT_EQ(caught<ConfigError>([&] { r.read<Train>("train"); }).line, "r.toml:2: train.lr: expected a number > 0, received -1");
}

TEST(Recipe, SuggestsTheNearestChoice) {
  Recipe r = recipe("[train]\noptimiser = \"adma\"\n");
  Caught error = caught<ConfigError>([&] { r.read<Train>("train"); });
  EXPECT_EQ(error.line, "r.toml:2: train.optimiser: expected one of sgd, adam, received \"adma\"");
  EXPECT_EQ(error.hint, "did you mean \"adam\"?");
}

TEST(Recipe, FindsTheFirstUnknownKeyWithTheNearestOne) {
  Recipe r = recipe("[train]\nepochs = 2\nepoch = 3\nxx = 1\n");
  r.read<Train>("train");
  Caught error = caught<ConfigError>([&] { r.finish(); });
  EXPECT_EQ(error.line, "r.toml:3: train.epoch: unknown key");
  EXPECT_EQ(error.hint, "did you mean train.epochs?");
}

TEST(Recipe, FindsUnknownTablesAndKeysInTheWrongPlace) {
  Recipe misspelt = recipe("[trian]\nepochs = 2\n");
  misspelt.read<Train>("train");
  Caught error = caught<ConfigError>([&] { misspelt.finish(); });
  EXPECT_EQ(error.line, "r.toml:1: trian: unknown table");
  EXPECT_EQ(error.hint, "did you mean train?");

  Recipe misplaced = recipe("epochs = 2\n");
  misplaced.read<Train>("train");
  error = caught<ConfigError>([&] { misplaced.finish(); });
  EXPECT_EQ(error.line, "r.toml:1: epochs: unknown key");
  EXPECT_EQ(error.hint, "epochs is known as train.epochs");

  Recipe assigned = recipe("", {"train.lrr=1"});
  assigned.read<Train>("train");
  EXPECT_EQ(caught<ConfigError>([&] { assigned.finish(); }).line, "--set train.lrr=1: train.lrr: unknown key");
}

TEST(Recipe, ATableThatOnlyLeadsToASectionMayHoldNothingElse) {
  Recipe fine = recipe("[a.train]\nepochs = 1\n");
  fine.read<Train>("a.train");
  fine.finish();
  Recipe wrong = recipe("[a]\nstray = 1\n[a.train]\nepochs = 1\n");
  wrong.read<Train>("a.train");
  EXPECT_EQ(caught<ConfigError>([&] { wrong.finish(); }).line, "r.toml:2: a.stray: unknown key");
}

TEST(Recipe, ReportsBadTomlWithItsLine) {
  Caught error = caught<ConfigError>([] { recipe("a = 1\nb = = 2\n"); });
  EXPECT_EQ(error.line.find("r.toml:2: not valid TOML: "), 0u) << error.line;
  EXPECT_EQ(error.line.find('\n'), std::string::npos);
  EXPECT_EQ(caught<ConfigError>([] { recipe("a = 1\na = 2\n"); }).line.find("r.toml:2: "), 0u);
}

TEST(Recipe, ReportsLettersWhereTomlAllowsNone) {
  EXPECT_EQ(caught<ConfigError>([] { recipe("a = 1\nb = \xc3\xa9\n"); }).line.find("r.toml:2: not valid TOML: "), 0u);
  EXPECT_EQ(caught<ConfigError>([] { recipe("\xcc\xaa"); }).line.find("r.toml:1: not valid TOML: "), 0u);
}

TEST(Recipe, ReportsAMissingFileAsAUsageError) {
  Caught error = caught<ConfigError>([] { Recipe::load("/nowhere/a.toml"); });
  EXPECT_EQ(error.line, "/nowhere/a.toml: cannot be read: No such file or directory");
  EXPECT_FALSE(error.hint.empty());
}

TEST(Recipe, LoadsAFile) {
  Scratch scratch;
  std::ofstream(scratch.file("a.toml")) << "[train]\nepochs = 5\n";
  Recipe r = Recipe::load(scratch.file("a.toml"), {"train.lr=0.5"});
  Train train = r.read<Train>("train");
  EXPECT_EQ(train.epochs, 5);
  EXPECT_EQ(train.lr, 0.5);
  EXPECT_EQ(r.where("train.epochs"), scratch.file("a.toml") + ":2");
}

TEST(Set, TakesTomlValuesAndPlainWords) {
  Recipe r = recipe("[train]\nepochs = 2\n",
                    {"train.epochs=5", "train.optimiser=adam", "train.milestones=[3, 4]", " train.shuffle = false "});
  Train train = r.read<Train>("train");
  EXPECT_EQ(train.epochs, 5);
  EXPECT_EQ(train.optimiser, "adam");
  EXPECT_EQ(train.milestones, (std::vector<int64_t>{3, 4}));
  EXPECT_FALSE(train.shuffle);
  EXPECT_EQ(r.where("train.epochs"), "--set train.epochs=5");
  EXPECT_EQ(r.where("train"), "r.toml:1");
  EXPECT_EQ(r.where("train.nothing"), "r.toml");
}

TEST(Set, GivesATextKnobWhateverWasWritten) {
  for (const char* text : {"123", "true", "1.50", "2026-11-24", "a b"}) {
    Recipe r = recipe("", {std::string("method=") + text});
    EXPECT_EQ(r.read<Top>("").method, text);
  }
  Recipe quoted = recipe("", {"method=\"123\""});
  EXPECT_EQ(quoted.read<Top>("").method, "123");
}

TEST(Set, CannotSmuggleInOtherKeys) {
  Recipe r = recipe("", {"method=1\ntrain = 2"});
  EXPECT_FALSE(r.has("train"));
}

TEST(Set, RefusesWhatIsNoAssignment) {
  for (const char* text : {"train", "=3", "a..b=1", "a.=1", "a b=1", "a[x]=1", "a[=1", ""}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(caught<ConfigError>([&] { recipe("", {text}); }).line.empty());
  }
  EXPECT_EQ(caught<ConfigError>([] { recipe("a = 1\n", {"a.b=2"}); }).line, "--set a.b=2: a is a value, not a table that could hold b");
  EXPECT_EQ(caught<ConfigError>([] { recipe("", {"a=\xff"}); }).line, "--set a: the value is not UTF-8 text");
}

TEST(Set, AddressesEntriesOfAnArray) {
  const char* toml = "[[train.stages]]\nepochs = 1\n[[train.stages]]\nepochs = 2\n";
  Recipe r = recipe(toml, {"train.stages[1].epochs=9"});
  EXPECT_EQ(r.array_size("train.stages"), 2);
  EXPECT_EQ(r.array_size("train.nothing"), 0);
  EXPECT_EQ(r.read<Train>("train.stages[0]").epochs, 1);
  EXPECT_EQ(r.read<Train>("train.stages[1]").epochs, 9);
  r.finish();
  EXPECT_EQ(caught<ConfigError>([&] { recipe(toml, {"train.stages[2].epochs=1"}); }).line,
            "--set train.stages[2].epochs=1: train.stages[2] is not there: train.stages has 2 entries");
  Recipe half = recipe(toml);
  half.read<Train>("train.stages[0]");
  EXPECT_EQ(caught<ConfigError>([&] { half.finish(); }).line, "r.toml:3: train.stages[1]: unknown table");
}

TEST(Set, AnotherMethodDropsTheKnobsOfTheFirst) {
  const char* toml = "method = \"kd\"\n[knobs]\nepochs = 2\n";
  EXPECT_TRUE(recipe(toml, {"method=kd"}).has("knobs"));
  EXPECT_FALSE(recipe(toml, {"method=ce"}).has("knobs"));
  // The order on the command line does not matter: knobs that are set beside the method stay.
  Recipe both = recipe(toml, {"knobs.lr=0.5", "method=ce"});
  EXPECT_TRUE(both.has("knobs.lr"));
  EXPECT_FALSE(both.has("knobs.epochs"));
}

TEST(SetTable, MergesDottedKeysAndInlineTables) {
  Recipe r = recipe("method = \"kd\"\n[train]\nepochs = 2\nlr = 0.5\n[knobs]\nepochs = 8\n");
  r.set_table("train.epochs = 4\nknobs = { epochs = 5 }\nmethod = \"ce\"\n", "p.toml:9");
  Train train = r.read<Train>("train");
  EXPECT_EQ(train.epochs, 4);
  EXPECT_EQ(train.lr, 0.5);
  EXPECT_EQ(r.read<Train>("knobs").epochs, 5);
  EXPECT_EQ(r.where("train.epochs"), "p.toml:9");
  EXPECT_EQ(r.where("train.lr"), "r.toml:4");
}

TEST(Take, HandsATableToAnotherRecipe) {
  Recipe proof = recipe("[arms]\nkd = { method = \"kd\", train.epochs = 3 }\nplain = {}\n");
  EXPECT_EQ(proof.tables("arms"), (std::vector<std::string>{"kd", "plain"}));
  Recipe r = recipe("[train]\nlr = 0.5\n");
  r.set_table(proof.take("arms.kd"), proof.where("arms.kd"));
  EXPECT_EQ(proof.take("arms.plain"), "");
  proof.finish();
  Train train = r.read<Train>("train");
  EXPECT_EQ(train.epochs, 3);
  EXPECT_EQ(train.lr, 0.5);
  EXPECT_EQ(r.where("train.epochs"), "r.toml:2");
}

TEST(Tables, KeepTheOrderOfTheFile) {
  EXPECT_EQ(recipe("[z.b]\n[z.a]\n[z.c]\n").tables("z"), (std::vector<std::string>{"b", "a", "c"}));
  EXPECT_TRUE(recipe("").tables("z").empty());
}

std::string values(const Train& train) {
  Train copy = train;
  std::string text;
  const Knobs knobs = knobs_of(copy);
  for (const Knob& knob : knobs.all()) text += knob.name + "=" + to_toml(knob.get()) + ";";
  return text;
}

TEST(Resolved, LoadsBackToTheSameValues) {
  Recipe r = recipe(
      "method = \"a\\\"b\"\n[x.one]\nlr = 0.1\n[[x.stages]]\nepochs = 2\n[x.stages.train]\nlr = 1e-7\n[[x.stages]]\nepochs = "
      "3\n[knobs]\nfreeze = [\"ü\\n\", \"\"]\n",
      {"x.one.betas=[0.25, 1]"});
  const std::vector<std::string> sections = {"x.one", "x.stages[0]", "x.stages[1]", "knobs", "x.stages[0].train"};
  const std::string method = r.read<Top>("").method;
  std::vector<std::string> before;
  for (auto& section : sections) before.push_back(values(r.read<Train>(section)));
  r.finish();

  Recipe again = Recipe::parse(r.resolved(), "resolved.toml");
  EXPECT_EQ(again.read<Top>("").method, method);
  for (size_t i = 0; i < sections.size(); ++i) EXPECT_EQ(values(again.read<Train>(sections[i])), before[i]) << sections[i];
  again.finish();
  EXPECT_EQ(again.resolved(), r.resolved());
}

TEST(Resolved, MakesUpNoEntriesOfArrays) {
  Recipe r = recipe("[[stages]]\nepochs = 2\n");
  for (const char* section : {"stages[0]", "stages[0].train", "stages[1]", "stages[1].train"}) r.read<Train>(section);
  Recipe again = Recipe::parse(r.resolved(), "resolved.toml");
  EXPECT_EQ(again.array_size("stages"), 1);
  EXPECT_TRUE(again.has("stages[0].train.epochs"));
}

TEST(Resolved, ShowsNotesAndLeavesOutWhatItIsToldTo) {
  Recipe r = recipe("[train]\nlr = 0.5\n");
  r.read<Top>("");
  r.read<Train>("train");
  r.note("method", std::string("kd"));
  EXPECT_EQ(r.resolved({"train.lr", "train.freeze", "train.betas", "train.milestones"}),
            "method = \"kd\"\n\n[train]\nepochs = 3\nshuffle = true\noptimiser = \"sgd\"\n");
}

TEST(Digest, LooksAtTheContentAlone) {
  const std::string digest = recipe("a = 1\n[t]\nb = 4.0\nc = \"x\"\n").digest();
  EXPECT_EQ(digest.size(), 16u);
  EXPECT_EQ(recipe("# comment\na = 1\nt = { c = 'x', b = 4 }\n").digest(), digest);
  EXPECT_EQ(recipe("a = 2\n[t]\nb = 4.0\nc = \"x\"\n", {"a=1"}).digest(), digest);
  EXPECT_NE(recipe("a = 2\n[t]\nb = 4.0\nc = \"x\"\n").digest(), digest);
  EXPECT_NE(recipe("a = \"1\"\n[t]\nb = 4.0\nc = \"x\"\n").digest(), digest);
}

TEST(Recipe, CopiesAreIndependent) {
  Recipe first = recipe("[train]\nepochs = 2\n");
  Recipe second = first;
  second.set("train.epochs=5");
  EXPECT_EQ(first.read<Train>("train").epochs, 2);
  EXPECT_EQ(second.read<Train>("train").epochs, 5);
  Recipe moved = std::move(first);
  first = second;  // a moved-from recipe may be assigned to
  EXPECT_EQ(first.read<Train>("train").epochs, 5);
}

TEST(Recipe, HandlesKeysThatNeedQuotes) {
  Recipe r = recipe("[\"a.b\"]\nepochs = 4\n");
  EXPECT_EQ(r.read<Train>("\"a.b\"").epochs, 4);
  r.finish();
  Recipe again = Recipe::parse(r.resolved(), "again");
  EXPECT_EQ(again.read<Train>("\"a.b\"").epochs, 4);
}

}  // namespace
}  // namespace retort
