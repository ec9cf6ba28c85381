#include "retort/data/dataset.h"

#include "retort/data/sources.h"
#include "retort/data/table.h"
#include "tests/data/support.h"

namespace retort {
namespace {

std::set<int64_t> ids(const Dataset& data) {
  if (!data.size()) return {};
  return {data.ids.data_ptr<int64_t>(), data.ids.data_ptr<int64_t>() + data.size()};
}

DataKnobs digits() {
  DataKnobs knobs;
  knobs.train = 500, knobs.validation = 300;
  return knobs;
}

TEST(Splits, AreDisjointAndWhole) {
  const Splits splits = load_splits(digits(), Seed(1));
  EXPECT_EQ(splits.train.size(), 500);
  EXPECT_EQ(splits.validation.size(), 300);
  EXPECT_EQ(splits.test.size(), 997);
  std::set<int64_t> all = ids(splits.train);
  all.merge(ids(splits.validation));
  all.merge(ids(splits.test));
  EXPECT_EQ(all.size(), 1797u);
  EXPECT_EQ(*all.rbegin(), 1796);
}

TEST(Splits, ShippedDigitsAreAsPublished) {
  DataKnobs knobs;
  const Dataset data = open_source(knobs, Seed(0)).train;
  EXPECT_EQ(data.size(), 1797);
  EXPECT_EQ(data.spec.shape, (std::vector<int64_t>{1, 8, 8}));
  // The first row of the first digit, a zero: counts 0 0 5 13 9 1 0 0 of 16.
  EXPECT_TRUE(data.inputs[0][0][0].equal(at::tensor({0, 0, 80, 207, 143, 16, 0, 0}, at::kByte)));
  EXPECT_EQ(data.labels.bincount().min().item<int64_t>(), 174);
  EXPECT_EQ(data.labels.bincount().max().item<int64_t>(), 183);
}

TEST(Splits, FollowTheSeed) {
  const Splits one = load_splits(digits(), Seed(1)), again = load_splits(digits(), Seed(1)), other = load_splits(digits(), Seed(2));
  EXPECT_TRUE(one.train.ids.equal(again.train.ids));
  EXPECT_FALSE(one.train.ids.equal(other.train.ids));
  DataKnobs fixed = digits();
  fixed.split_seed = 5;
  EXPECT_TRUE(load_splits(fixed, Seed(1)).test.ids.equal(load_splits(fixed, Seed(2)).test.ids));
}

TEST(Splits, OfOtherSizesAreNested) {
  DataKnobs small = digits();
  small.test = 400, small.train = 100;
  DataKnobs large = small;
  large.train = 600;
  const Splits a = load_splits(small, Seed(3)), b = load_splits(large, Seed(3));
  EXPECT_TRUE(a.test.ids.equal(b.test.ids));
  EXPECT_TRUE(a.train.ids.equal(b.train.ids.narrow(0, 0, 100)));
}

TEST(Splits, RefuseMoreRowsThanThereAre) {
  DataKnobs knobs = digits();
  knobs.test = 998;
  EXPECT_EQ(line_of<ConfigError>([&] { load_splits(knobs, Seed(1)); }),
            "data: digits has 1797 labelled rows; train = 500, validation = 300, test = 998 leave none for the rest or ask for more");
  knobs.test = 0, knobs.train = 1797;
  EXPECT_HAS(line_of<ConfigError>([&] { load_splits(knobs, Seed(1)); }), "digits has 1797 labelled rows");
}

TEST(Splits, NormaliseByTheTrainingPart) {
  const Splits splits = load_splits(digits(), Seed(1));
  const Tensor train = prepare(splits.train.inputs, splits.train.spec).to(at::kDouble);
  EXPECT_NEAR(train.mean().item<double>(), 0, 1e-5);
  EXPECT_NEAR(train.std(false).item<double>(), 1, 1e-5);
  EXPECT_GT(std::abs(prepare(splits.test.inputs, splits.test.spec).mean().item<double>()), 1e-5);
  DataKnobs knobs = digits();
  knobs.normalise = "unit";
  const Splits unit = load_splits(knobs, Seed(1));
  EXPECT_EQ(prepare(unit.train.inputs, unit.train.spec).max().item<float>(), 1);
  knobs.normalise = "none";
  const Splits none = load_splits(knobs, Seed(1));
  EXPECT_TRUE(prepare(none.train.inputs, none.train.spec).allclose(none.train.inputs.to(at::kFloat), 1e-6, 1e-4));
}

TEST(Splits, KeepSomeLabels) {
  DataKnobs knobs = digits();
  knobs.labels_per_class = 7, knobs.keep_unlabelled = true;
  Splits splits = load_splits(knobs, Seed(1));
  EXPECT_TRUE(splits.train.labels.bincount().eq(7).all().item<bool>());
  EXPECT_EQ(splits.unlabelled.size(), 430);
  EXPECT_TRUE(splits.unlabelled.labels.eq(-1).all().item<bool>());
  knobs.keep_unlabelled = false;
  EXPECT_EQ(load_splits(knobs, Seed(1)).unlabelled.size(), 0);
  knobs.labels_per_class = 400;
  EXPECT_HAS(line_of<ConfigError>([&] { load_splits(knobs, Seed(1)); }), "data.labels_per_class: class '0' has");
  knobs.labels_per_class = 0, knobs.label_fraction = 0.1, knobs.keep_unlabelled = true;
  splits = load_splits(knobs, Seed(1));
  EXPECT_EQ(splits.train.size(), 50);
  EXPECT_EQ(splits.unlabelled.size(), 450);
  knobs.label_fraction = 0.0001;
  EXPECT_HAS(line_of<ConfigError>([&] { load_splits(knobs, Seed(1)); }), "leaves no label");
}

TEST(Splits, FlipLabelsUniformly) {
  DataKnobs knobs = digits();
  knobs.label_noise = 0.2;
  const Splits noisy = load_splits(knobs, Seed(1)), clean = load_splits(digits(), Seed(1));
  EXPECT_TRUE(noisy.train.extra.at("clean_labels").equal(clean.train.labels));
  EXPECT_NEAR(noisy.train.labels.ne(clean.train.labels).sum().item<double>(), 100, 30);
  EXPECT_TRUE(noisy.test.labels.equal(clean.test.labels));
  knobs.label_noise = 1;
  EXPECT_TRUE(load_splits(knobs, Seed(1)).train.labels.ne(clean.train.labels).all().item<bool>());
}

TEST(Splits, OfSomeClasses) {
  DataKnobs knobs;
  knobs.classes = {7, 1};
  const Splits splits = load_splits(knobs, Seed(1));
  EXPECT_EQ(splits.train.spec.classes, (std::vector<std::string>{"7", "1"}));
  EXPECT_EQ(splits.train.labels.max().item<int64_t>(), 1);
  EXPECT_EQ(splits.train.size() + splits.test.size(), 179 + 182);  // sevens and ones
  knobs.classes = {1, 10};
  EXPECT_EQ(line_of<ConfigError>([&] { load_splits(knobs, Seed(1)); }), "data.classes: digits has classes 0 to 9, found 10");
  knobs.classes = {1, 1};
  EXPECT_EQ(line_of<ConfigError>([&] { load_splits(knobs, Seed(1)); }), "data.classes: class 1 is given twice");
}

TEST(Splits, OfTablesFitTheirEncodersOnTraining) {
  TemporaryFolder folder;
  std::string text = "x,word,y\n";
  for (int i = 0; i < 200; ++i) text += fmt::format("{},w{},{}\n", i, i, i % 2);  // every word is of one row alone
  DataKnobs knobs;
  knobs.source = folder.write("t.csv", text);
  knobs.train = 60, knobs.validation = 40;
  const Splits splits = load_splits(knobs, Seed(1));
  EXPECT_EQ(splits.train.inputs.sizes(), (std::vector<int64_t>{60, 61}));
  EXPECT_EQ(splits.train.inputs.narrow(1, 1, 60).sum().item<float>(), 60);
  EXPECT_EQ(splits.test.inputs.narrow(1, 1, 60).sum().item<float>(), 0);  // unseen words
  double mean = 0;
  for (int64_t id : ids(splits.train)) mean += static_cast<double>(id) / 60;
  EXPECT_DOUBLE_EQ(splits.train.spec.table["columns"][0]["shift"].get<double>(), mean);
}

TEST(Splits, PutRowsWithoutALabelAside) {
  TemporaryFolder folder;
  DataKnobs knobs;
  knobs.source = folder.write("t.csv", "x,y\n1,a\n2,\n3,b\n4,a\n5,b\n6,\n");
  knobs.keep_unlabelled = true;
  const Splits splits = load_splits(knobs, Seed(1));
  EXPECT_EQ(ids(splits.unlabelled), (std::set<int64_t>{1, 5}));
  EXPECT_EQ(splits.train.size() + splits.test.size(), 4);
}

TEST(Splits, NameWhatIsMissing) {
  DataKnobs knobs;
  knobs.source = "digit";
  EXPECT_EQ(line_of<ConfigError>([&] { load_splits(knobs, Seed(1)); }), "data.source: no data set 'digit'");
  knobs.source = "/nowhere/table.csv";
  EXPECT_EQ(line_of<DataError>([&] { load_splits(knobs, Seed(1)); }),
            "/nowhere/table.csv: no such file or folder, and no data set of this name");
  TemporaryFolder folder;
  knobs.source = folder.write("a.bin", "x");
  EXPECT_HAS(line_of<DataError>([&] { load_splits(knobs, Seed(1)); }), "not a data set");
}

TEST(Splits, SpecsAreCheckedWhenRead) {
  InputSpec spec;
  spec.shape = {3, 4, 4};
  spec.mean = {0, 0.5, 1}, spec.deviation = {1, 2, 3};
  spec.classes = {"a", "b"};
  const InputSpec again = InputSpec::from_json(spec.to_json(), "c");
  EXPECT_EQ(again.to_json(), spec.to_json());
  const auto line = [&](const char* key, const nlohmann::json& value) {
    auto damaged = spec.to_json();
    damaged[key] = value;
    return line_of<DataError>([&] { InputSpec::from_json(damaged, "c"); });
  };
  EXPECT_EQ(line("mean", {1.0}), "c: \"mean\" has 1 entries and \"deviation\" 3; expected as many");
  EXPECT_EQ(line("deviation", {1.0, 0.0, 1.0}), "c: a deviation must be above 0, found 0");
  EXPECT_HAS(line("shape", "big"), "inputs need \"shape\"");
  EXPECT_HAS(line("shape", {0}), "an input dimension must be 1 to 2^24");
}

class PublicSet : public testing::TestWithParam<std::tuple<const char*, int64_t, int64_t, int64_t, std::vector<int64_t>>> {};

TEST_P(PublicSet, IsReadByName) {
  NEEDS_SHARED_DATA();
  const auto& [name, rows, test, classes, shape] = GetParam();
  DataKnobs knobs;
  knobs.source = name;
  const Source source = open_source(knobs, Seed(0));
  EXPECT_EQ(source.train.size(), rows);
  EXPECT_EQ(source.test.size(), test);
  EXPECT_EQ(source.train.classes(), classes);
  EXPECT_EQ(source.train.spec.shape, shape);
}

using Shape = std::vector<int64_t>;
INSTANTIATE_TEST_SUITE_P(All, PublicSet,
                         testing::Values(std::tuple{"mnist", 60000, 10000, 10, Shape{1, 28, 28}},
                                         std::tuple{"compas", 7214, 0, 2, Shape{9}}, std::tuple{"adult", 32561, 0, 2, Shape{14}},
                                         std::tuple{"breast-cancer", 569, 0, 2, Shape{30}}, std::tuple{"wine", 178, 0, 3, Shape{13}},
                                         std::tuple{"iris", 150, 0, 3, Shape{4}}));

TEST(Splits, OfAdultAreEncoded) {
  NEEDS_SHARED_DATA();
  DataKnobs knobs;
  knobs.source = "adult";
  const Splits splits = load_splits(knobs, Seed(0));
  EXPECT_EQ(splits.train.spec.classes, (std::vector<std::string>{"<=50K", ">50K"}));
  EXPECT_TRUE(splits.train.inputs.isfinite().all().item<bool>());
  const auto features = table_features(splits.train.spec.table);
  EXPECT_EQ(std::count(features.begin(), features.end(), "workclass missing"), 1);
  EXPECT_EQ(std::count(features.begin(), features.end(), "age missing"), 0);
}

TEST(Splits, OfMnistPooled) {
  NEEDS_SHARED_DATA();
  DataKnobs knobs;
  knobs.source = "mnist";
  knobs.resize = 14, knobs.train = 2000, knobs.test = 300;
  const Splits splits = load_splits(knobs, Seed(0));
  EXPECT_EQ(splits.train.inputs.sizes(), (std::vector<int64_t>{2000, 1, 14, 14}));
  EXPECT_EQ(splits.test.size(), 300);
  EXPECT_GE(splits.test.ids.min().item<int64_t>(), 60000);
}

TEST(Splits, ClassesAreJoined) {
  DataKnobs knobs;
  knobs.train = 100, knobs.test = 50;
  knobs.classes = {4, 7, 9};
  knobs.merge = {1, 0, 1};
  const Splits splits = load_splits(knobs, Seed(1));
  EXPECT_EQ(splits.train.spec.classes, (std::vector<std::string>{"7", "4+9"}));
  EXPECT_EQ(splits.test.classes(), 2);
  const Tensor fine = splits.train.extra.at("fine_labels");
  EXPECT_TRUE(splits.train.labels.equal((fine != 1).to(at::kLong)));
  EXPECT_GT((fine == 2).sum().item<int64_t>(), 10);
  knobs.merge = {0, 1};
  EXPECT_EQ(line_of<ConfigError>([&] { load_splits(knobs, Seed(1)); }), "data.merge: expected one entry for each of 3 classes, found 2");
  knobs.merge = {0, 2, 0};
  EXPECT_EQ(line_of<ConfigError>([&] { load_splits(knobs, Seed(1)); }), "data.merge: no class becomes part of 1");
}

TEST(Splits, TurnImagesByQuartersAndKnowHowFar) {
  DataKnobs knobs;
  knobs.train = 200;
  knobs.test = 100;
  const Splits plain = load_splits(knobs, Seed(3));
  knobs.turn = true;
  const Splits turned = load_splits(knobs, Seed(3));
  const Tensor rotation = turned.train.extra.at("rotation");
  EXPECT_TRUE(turned.train.labels.equal(plain.train.labels));
  for (int64_t i = 0; i < 200; ++i)
    EXPECT_TRUE(turned.train.inputs[i].equal(at::rot90(plain.train.inputs[i], rotation[i].item<int64_t>(), {1, 2})));
  EXPECT_GT(at::bincount(rotation, {}, 4).min().item<int64_t>(), 25);
  EXPECT_TRUE(turned.test.extra.count("rotation"));
  knobs.source = "world:moons,rows=400";
  EXPECT_THROW(load_splits(knobs, Seed(3)), ConfigError);
}

}  // namespace
}  // namespace retort
