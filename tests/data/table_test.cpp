#include "retort/data/table.h"

#include "tests/data/support.h"

namespace retort {
namespace {

TableOptions options() {
  TableOptions made;
  made.missing = {"", "?"};
  return made;
}

const char* kPeople = "age,city,pay\n20,Rome,low\n40,?,high\n,Oslo,high\n60,Rome,low\n";

TEST(Table, ReadsNumbersCategoriesAndMissingValues) {
  const Dataset data = parse_table(kPeople, "people.csv", options());
  EXPECT_EQ(data.spec.classes, (std::vector<std::string>{"high", "low"}));
  EXPECT_TRUE(data.labels.equal(at::tensor({1, 0, 0, 1}, at::kLong)));
  const auto cell = data.inputs.accessor<double, 2>();
  EXPECT_EQ(cell[0][0], 20);
  EXPECT_TRUE(std::isnan(cell[2][0]));
  EXPECT_EQ(cell[0][1], 1);  // Oslo, Rome
  EXPECT_EQ(cell[2][1], 0);
  EXPECT_TRUE(std::isnan(cell[1][1]));
  EXPECT_EQ(data.spec.table["columns"][1]["values"], (nlohmann::json{"Oslo", "Rome"}));
}

TEST(Table, EncodesByHand) {
  const Dataset data = parse_table(kPeople, "people.csv", options());
  const auto fitted = fit_table(data.inputs, data.spec.table, "standard", "people");
  EXPECT_EQ(table_features(fitted), (std::vector<std::string>{"age", "age missing", "city=Oslo", "city=Rome", "city missing"}));
  const float d = static_cast<float>(20 / std::sqrt(800.0 / 3));  // 20, 40, 60: mean 40, variance 800/3
  const Tensor expected = at::tensor({-d, 0.f, 0.f, 1.f, 0.f, 0.f, 0.f, 0.f, 0.f, 1.f, 0.f, 1.f, 1.f, 0.f, 0.f, d, 0.f, 0.f, 1.f, 0.f})
                              .view({4, 5});
  EXPECT_TRUE(encode_table(data.inputs, data.spec.table, fitted).allclose(expected, 1e-6, 1e-6));
  const auto unit = fit_table(data.inputs, data.spec.table, "unit", "people");
  EXPECT_TRUE(encode_table(data.inputs, data.spec.table, unit).select(1, 0).equal(at::tensor({0.f, 0.5f, 0.5f, 1.f})));
  const auto none = fit_table(data.inputs, data.spec.table, "none", "people");
  EXPECT_TRUE(encode_table(data.inputs, data.spec.table, none).select(1, 0).equal(at::tensor({20.f, 40.f, 40.f, 60.f})));
}

TEST(Table, IsFittedOnTheTrainingRowsAlone) {
  const Dataset data = parse_table(kPeople, "people.csv", options());
  const Tensor train = data.inputs.narrow(0, 0, 2);  // 20 Rome, 40 ?
  const auto fitted = fit_table(train, data.spec.table, "standard", "people");
  EXPECT_EQ(table_features(fitted), (std::vector<std::string>{"age", "city=Rome", "city missing"}));
  // The unseen city is no city; the missing age is the training mean, without an indicator; 60 is three deviations away.
  EXPECT_TRUE(encode_table(data.inputs, data.spec.table, fitted)
                  .equal(at::tensor({-1.f, 1.f, 0.f, 1.f, 0.f, 1.f, 0.f, 0.f, 0.f, 3.f, 1.f, 0.f}).view({4, 3})));
}

TEST(Table, PreparesNewRowsAlike) {
  TemporaryFolder folder;
  const Dataset data = parse_table(kPeople, "people.csv", options());
  InputSpec spec = data.spec;
  spec.table = fit_table(data.inputs, data.spec.table, "standard", "people");
  spec.shape = {table_width(spec.table)};
  spec = InputSpec::from_json(nlohmann::json::parse(spec.to_json().dump()), "config.json");
  const Tensor expected = encode_table(data.inputs, data.spec.table, spec.table);
  EXPECT_TRUE(read_table_rows(folder.write("same.csv", kPeople), spec).equal(expected));
  EXPECT_TRUE(read_table_rows(folder.write("turned.csv", "city,age\nRome,20\n?,40\nOslo,\nRome,60\n"), spec).equal(expected));
  EXPECT_TRUE(prepare_table_rows({{"20", "Rome"}, {"40", ""}, {"?", "Oslo"}, {"60", "Rome"}}, {}, spec, "rows").equal(expected));
  EXPECT_TRUE(prepare_table_rows({{"40", "Atlantis", "low"}}, {}, spec, "rows").equal(at::zeros({1, 5})));
  EXPECT_EQ(line_of<DataError>([&] {
              prepare_table_rows({{"old", "Rome"}}, {}, spec, "rows");
            }),
            "rows: row 1, column 'age': expected a number, found 'old'");
  EXPECT_EQ(line_of<DataError>([&] {
              prepare_table_rows({{"1", "2", "3", "4"}}, {}, spec, "rows");
            }),
            "rows: row 1: 4 fields, expected 3, or 2 without the label");
  EXPECT_EQ(line_of<DataError>([&] { prepare_table_rows({{"1", "2"}}, {"age", "town"}, spec, "rows"); }), "rows: no column 'city'");
}

TEST(Table, DescriptionsAreCheckedWhenRead) {
  const Dataset data = parse_table(kPeople, "people.csv", options());
  InputSpec spec = data.spec;
  spec.table = fit_table(data.inputs, data.spec.table, "standard", "people");
  spec.shape = {table_width(spec.table)};
  auto line = [&](const std::function<void(nlohmann::json&)>& damage) {
    nlohmann::json value = spec.to_json();
    damage(value);
    return line_of<DataError>([&] { InputSpec::from_json(value, "config.json"); });
  };
  EXPECT_EQ(line([](auto& v) { v["shape"] = {4}; }), "config.json: the columns of the table make 5 numbers, expected 4 as in \"shape\"");
  for (const char* key : {"fields", "label", "missing", "columns"})
    EXPECT_EQ(line([&](auto& v) { v["table"].erase(key); }), "config.json: the description of the table's columns is not whole");
  EXPECT_EQ(line([](auto& v) { v["table"]["columns"][0]["scale"] = 0; }),
            "config.json: the description of the table's columns is not whole");
}

TEST(Table, TakesGivenNamesWithoutAHeader) {
  TableOptions named = options();
  named.names = {"age", "city", "pay"};
  named.label = "pay";
  EXPECT_EQ(parse_table("20,Rome,low\n40,Oslo,high\n", "t", named).spec.table["columns"][0]["name"], "age");
}

TEST(Table, FindsLabelsByNameAndNumber) {
  TableOptions chosen = options();
  chosen.label = "city";
  EXPECT_EQ(parse_table(kPeople, "p", chosen).spec.classes, (std::vector<std::string>{"Oslo", "Rome"}));
  EXPECT_TRUE(parse_table(kPeople, "p", chosen).labels.equal(at::tensor({1, -1, 0, 1}, at::kLong)));
  chosen.label = "-2";
  EXPECT_EQ(parse_table(kPeople, "p", chosen).spec.classes, (std::vector<std::string>{"Oslo", "Rome"}));
  chosen.label = "0";
  EXPECT_EQ(parse_table(kPeople, "p", chosen).spec.classes, (std::vector<std::string>{"20", "40", "60"}));
  chosen.label = "citi";
  EXPECT_EQ(line_of<ConfigError>([&] { parse_table(kPeople, "p", chosen); }), "data.label: p has no column 'citi'");
}

TEST(Table, ChoosesColumns) {
  TableOptions chosen = options();
  chosen.columns = {"-age"};
  EXPECT_EQ(parse_table(kPeople, "p", chosen).spec.table["columns"].size(), 1u);
  chosen.columns = {"city", "age"};
  EXPECT_EQ(parse_table(kPeople, "p", chosen).spec.table["columns"][0]["name"], "city");
  chosen.columns = {"-age", "-city"};
  EXPECT_HAS(line_of<ConfigError>([&] { parse_table(kPeople, "p", chosen); }), "no feature column of p is left");
}

TEST(Table, TellsHeadersFromRows) {
  EXPECT_EQ(parse_table("1,x\n2,y\n", "t", options()).size(), 2);
  EXPECT_EQ(parse_table("a,b\n2,y\n", "t", options()).size(), 1);
  TableOptions without = options();
  without.header = "no";
  EXPECT_EQ(parse_table("a,b\nc,d\n", "t", without).size(), 2);
  const Dataset twice = parse_table("s,s,y\n1,2,a\n", "t", options());
  EXPECT_EQ(twice.spec.table["columns"][1]["name"], "s.2");
}

TEST(Table, ReadsTheFormOfScikitLearn) {
  const Dataset data = parse_table("3,2,cat,dog\n1,2,0\n3,4,1\n5,6,1\n", "t", options());
  EXPECT_EQ(data.spec.classes, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_TRUE(data.labels.equal(at::tensor({0, 1, 1}, at::kLong)));
  EXPECT_EQ(line_of<DataError>([] { parse_table("3,2,cat,dog\n1,2,0\n3,4,2\n5,6,1\n", "t", options()); }),
            "t:3: label out of range: expected 0 to 1 or one of cat … dog, found '2'");
}

TEST(Table, RefusesWhatIsNoTable) {
  EXPECT_EQ(line_of<DataError>([] { parse_table("a\n1\n", "t", options()); }), "t: one column, expected features and a label");
  EXPECT_EQ(line_of<DataError>([] { parse_table("a,b\n", "t", options()); }), "t: a header and no rows");
  EXPECT_EQ(line_of<DataError>([] { parse_table("a,b\n1,\n2,?\n", "t", options()); }), "t: not one row has a label");
  std::string names = "who,y\n";
  for (int i = 0; i < 300; ++i) names += fmt::format("name{},{}\n", i, i % 2);
  const Dataset data = parse_table(names, "t", options());
  EXPECT_EQ(line_of<DataError>([&] { fit_table(data.inputs, data.spec.table, "standard", "t"); }),
            "t: column 'who' has 300 different texts, expected at most 256 categories");
}

}  // namespace
}  // namespace retort
