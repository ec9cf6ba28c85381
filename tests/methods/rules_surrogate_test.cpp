#include "retort/methods/audit/rules_surrogate.h"

#include "retort/base/error.h"
#include "retort/data/table.h"
#include "retort/nets/model_file.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

const char* const kRecipe = R"(
method = "rules-surrogate"
[data]
source = "world:wide,columns=20,rows=700,test_rows=200"
validation = 150
[train]
epochs = 8
batch = 50
lr = 0.01
[knobs]
net = "autoencoder-16-8-gate"
permutations = 3
trees = 10
rounds = 30
truth = ["linear*"]
explained = 20
[run]
latency = false
threads = 1
)";

class RulesSurrogateTest : public ::testing::Test {
 protected:
  Outcome run(const std::string& folder, std::vector<std::string> sets = {}, const std::string& more = "") {
    sets.push_back("run.dir=" + scratch.file(folder));
    sets.push_back("run.cache=" + scratch.file("cache"));
    retort::Run run(Recipe::parse(kRecipe + more, "small.toml", sets));
    run.quiet = true;
    audit::rules_surrogate().run(run);
    run.finish();
    return run.outcome;
  }
  std::string error(const std::string& folder, std::vector<std::string> sets, const std::string& more = "") {
    try {
      run(folder, std::move(sets), more);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  Scratch scratch;
};

TEST_F(RulesSurrogateTest, FindsTheColumnsAndFollowsTheBlackBox) {
  const Outcome outcome = run("whole", {"knobs.rivals=true"});
  EXPECT_GE(outcome.metrics.at("found_linear"), 7);
  EXPECT_GT(outcome.metrics.at("boosted.r2"), 0.4);
  EXPECT_GT(outcome.metrics.at("agreement"), 75);
  EXPECT_LE(outcome.metrics.at("agreement_low"), outcome.metrics.at("agreement"));
  EXPECT_GT(outcome.metrics.at("rules"), 0);
  EXPECT_LE(outcome.metrics.at("rules"), 25);
  EXPECT_GT(outcome.metrics.at("rules_confidence"), 60);
  EXPECT_GT(outcome.metrics.at("counterfactuals_flip"), 0);
  EXPECT_TRUE(outcome.metrics.count("tree_all_columns.r2"));
  EXPECT_TRUE(outcome.metrics.count("tau_attention_latent"));
  std::set<std::string> titles;
  for (const auto& panel : outcome.panels) titles.insert(panel.at("title"));
  EXPECT_TRUE(titles.count("The columns that matter"));
  EXPECT_TRUE(titles.count("What the black box does, in rules"));
  EXPECT_EQ(load_model(scratch.file("whole") + "/student").net.spec().at("arch"), "autoencoder-16-8-gate");
}

TEST_F(RulesSurrogateTest, TheSameSeedSaysTheSame) { EXPECT_EQ(run("first").metrics, run("second").metrics); }

TEST_F(RulesSurrogateTest, ATeacherOfPredictionsAloneIsEnough) {
  const std::string teacher = "[teacher]\nkind = \"train\"\nnet = \"mlp-8\"\nshow = \"logits\"\n";
  const Outcome outcome = run("predictions", {"knobs.k=6"}, teacher);
  EXPECT_EQ(outcome.metrics.at("k"), 6);
  EXPECT_TRUE(outcome.metrics.count("tau_permutation_sensitivity"));
  EXPECT_FALSE(outcome.metrics.count("tau_gradient_permutation"));
  const Outcome labels = run("labels", {"knobs.k=6"}, "[teacher]\nkind = \"train\"\nnet = \"mlp-8\"\nshow = \"hard_labels\"\n");
  EXPECT_TRUE(labels.metrics.count("r2"));
}

TEST_F(RulesSurrogateTest, ManyColumnsAreShuffledInBlocks) {
  const Outcome alone = run("alone", {"knobs.methods=[\"permutation\"]"}),
                blocks = run("blocks", {"knobs.methods=[\"permutation\"]", "knobs.blocks_above=10"});
  EXPECT_GE(blocks.metrics.at("found_linear"), 6);
  EXPECT_NE(blocks.metrics.at("asked"), alone.metrics.at("asked"));
}

TEST_F(RulesSurrogateTest, BadInput) {
  EXPECT_NE(error("k", {"knobs.k=21"}).find("knobs.k: expected at most 20, the number of columns, found 21"), std::string::npos);
  EXPECT_NE(error("rows", {"data.train=40"}).find("40 training rows, expected at least 50"), std::string::npos);
  EXPECT_NE(error("fixed", {"knobs.fixed=[\"age\"]"}).find("there is no column 'age'"), std::string::npos);
  EXPECT_NE(error("class", {"data.classes=[0]"}).find("every training row is of one class"), std::string::npos);
  EXPECT_NE(error("method", {"knobs.methods=[\"luck\"]"}).find("knobs.methods"), std::string::npos);
}

TEST_F(RulesSurrogateTest, BadTables) {
  std::string twice = "sex,sex=Male,y\n", gone = "a,b,y\n";
  for (int i = 0; i < 200; ++i) {
    twice += fmt::format("{},{},{}\n", i % 3 ? "Male" : "Female", i % 5, i % 2);
    gone += fmt::format("{},,{}\n", i % 7, i % 2);
  }
  write_file(scratch.file("twice.csv"), twice);
  write_file(scratch.file("gone.csv"), gone);
  EXPECT_NE(error("twice", {"data.source=" + scratch.file("twice.csv"), "data.label=y", "data.validation=20"})
                .find("two columns are called 'sex=Male'"),
            std::string::npos);
  EXPECT_NE(
      error("gone", {"data.source=" + scratch.file("gone.csv"), "data.label=y", "data.validation=20"}).find("column 'b' has no value"),
      std::string::npos);
}

TEST(BlackBox, ProbabilitiesAreChecked) {
  audit::check_probabilities(at::tensor({0.25f, 0.75f}).view({1, 2}), "it");
  EXPECT_THROW(audit::check_probabilities(at::tensor({-0.5f, 1.5f}).view({1, 2}), "it"), TeacherError);
  EXPECT_THROW(audit::check_probabilities(at::tensor({0.5f, 0.2f}).view({1, 2}), "it"), TeacherError);
  EXPECT_THROW(audit::check_probabilities(at::tensor({0.5f, NAN}).view({1, 2}), "it"), TeacherError);
}

TEST(BlackBox, ColumnsSpeakTheTablesUnits) {
  std::string text = "age,sex,y\n";
  for (int i = 0; i < 8; ++i) text += fmt::format("{},{},{}\n", 20 + 10 * i, i % 2 ? "Male" : "Female", i / 4);
  TableOptions options;
  options.label = "y";
  const Dataset raw = parse_table(text, "t", options);
  InputSpec spec = raw.spec;
  spec.table = fit_table(raw.inputs, raw.spec.table, "standard", "t");
  const auto columns = audit::columns_of(spec);
  ASSERT_EQ(columns.size(), 3u);
  EXPECT_EQ(in_words(columns[0], 0, kNoBound), "age above 55");
  EXPECT_EQ(in_words(columns[2], 0.5, kNoBound), "sex is Male");
  EXPECT_EQ(columns[1].group, columns[2].group);
}

TEST(BlackBox, LooksInsideALinearNet) {
  Net net = make_net("linear", {3}, 2, Seed(0));
  TensorMap weights = net.named_tensors();
  weights.at("fc.weight").copy_(at::tensor({0.f, 0.f, 0.f, 2.f, 0.f, 1.f}).view({2, 3}));
  weights.at("fc.bias").zero_();
  const Tensor x = at::randn({200, 3}, Seed(1).generator());
  const auto inside = audit::look_inside(net, x, (x.select(1, 0) > 0).to(at::kLong));
  EXPECT_GT(inside.gradient[0], inside.gradient[2]);
  EXPECT_EQ(inside.gradient[1], 0);
  EXPECT_TRUE(inside.attention.empty());
}

TEST(BlackBox, AutoencodersOfEveryForm) {
  for (const std::string name :
       {"autoencoder-6", "autoencoder-8-4-gate-drop0.2", "autoencoder-8-4-softmax", "autoencoder-4-conv", "autoencoder-8-4-conv-gate"}) {
    const Net net = make_net(name, {9}, 3, Seed(0));
    Taps taps;
    taps.wanted = {"latent", "reconstruction"};
    EXPECT_EQ(net.forward(at::randn({5, 9}), &taps).sizes(), (at::IntArrayRef{5, 3})) << name;
    EXPECT_EQ(taps.found.at("reconstruction").sizes(), (at::IntArrayRef{5, 9})) << name;
  }
  EXPECT_THROW(make_net("autoencoder-8-softmax", {5000}, 2, Seed(0)), ConfigError);
}

}  // namespace
}  // namespace retort
