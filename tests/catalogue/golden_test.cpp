#include "retort/catalogue/golden.h"

#include <fstream>

#include "tests/support.h"

namespace retort {
namespace {

// y = a x^2, loss = sum y, so grad_x = 2 a x.
const char* const kCase = R"({"method": "toy.square", "params": {"a": 3.0, "mode": "plain", "on": true, "list": [1, 2]},
  "inputs": {"x": {"shape": [2], "dtype": "f32", "data": [1.0, 2.0]}, "mask": {"shape": [2], "dtype": "bool", "data": [true, false]},
             "index": {"shape": [], "dtype": "i64", "data": [7]}},
  "outputs": {"loss": {"shape": [], "dtype": "f32", "data": [15.0]}, "grad_x": {"shape": [2], "dtype": "f32", "data": [6.0, 12.0]}},
  "tolerance": 1e-6, "note": ""})";

GoldenBinding square(double factor) {
  return {[factor](const GoldenCase& c) { return TensorMap{{"loss", (factor * c["x"].square()).sum()}}; }};
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

using Outcome = GoldenVerdict::Outcome;

TEST(Golden, ReadsACase) {
  const GoldenCase c = parse_golden(kCase, "toy.json");
  EXPECT_EQ(c.method, "toy.square");
  EXPECT_EQ(c.number("a"), 3);
  EXPECT_EQ(c.word("mode"), "plain");
  EXPECT_TRUE(c.flag("on"));
  EXPECT_EQ(c.numbers("list"), (std::vector<double>{1, 2}));
  EXPECT_EQ(c["x"].scalar_type(), at::kFloat);
  EXPECT_TRUE(c["mask"].equal(torch::tensor({true, false})));
  EXPECT_EQ(c["index"].item<int64_t>(), 7);
  EXPECT_EQ(caught<DataError>([&] { c["y"]; }).line, "toy.json: input y is missing");
  EXPECT_EQ(caught<DataError>([&] { c.number("mode"); }).line, "toy.json: param mode is \"plain\"");
  EXPECT_EQ(caught<DataError>([&] { c.number("b"); }).line, "toy.json: \"b\" is missing");
}

TEST(Golden, TakesGradientsByItself) {
  const GoldenCase c = parse_golden(kCase, "toy.json");
  const GoldenBinding right = square(3);
  EXPECT_EQ(judge_golden(c, &right).outcome, Outcome::passed);
  GoldenBinding renamed{[](const GoldenCase& given) {
                          const Tensor sum = (3 * given["x"].square()).sum();
                          return TensorMap{{"loss", sum.detach()}, {"total", sum}};
                        },
                        "total"};
  EXPECT_EQ(judge_golden(c, &renamed).outcome, Outcome::passed);
}

TEST(Golden, NamesTheOutputThatIsOff) {
  const GoldenCase c = parse_golden(kCase, "toy.json");
  const GoldenBinding wrong = square(3.001);
  const GoldenVerdict verdict = judge_golden(c, &wrong);
  EXPECT_EQ(verdict.outcome, Outcome::failed);
  EXPECT_EQ(verdict.detail, "loss is off by 0.000312 (tolerance 1e-06)");  // 0.005 / (1 + 15)
  const GoldenBinding no_gradient{[](const GoldenCase&) { return TensorMap{{"y", at::zeros({})}}; }};
  EXPECT_EQ(judge_golden(c, &no_gradient).detail, "output grad_x is not computed");
  const GoldenBinding shaped{[](const GoldenCase& given) {
    return TensorMap{{"loss", 3 * given["x"].square()}, {"grad_x", 6 * given["x"]}};
  }};
  EXPECT_EQ(judge_golden(c, &shaped).detail, "loss has shape [2], expected []");
  const GoldenBinding throws{[](const GoldenCase& given) { return TensorMap{{"loss", given["nothing"]}}; }};
  EXPECT_EQ(judge_golden(c, &throws).detail, "toy.json: input nothing is missing");
  const GoldenBinding nan{[](const GoldenCase& given) { return TensorMap{{"loss", given["x"].sum() * NAN}, {"grad_x", 6 * given["x"]}}; }};
  EXPECT_EQ(judge_golden(c, &nan).outcome, Outcome::failed);
  EXPECT_EQ(judge_golden(c, nullptr).outcome, Outcome::unbound);
}

TEST(Golden, RefusesDamagedFiles) {
  const std::string text = kCase;
  const auto refusal = [](const std::string& damaged) { return caught<DataError>([&] { parse_golden(damaged, "toy.json"); }).line; };
  EXPECT_EQ(refusal(text.substr(0, 100)).substr(0, 26), "toy.json: not JSON at byte");
  EXPECT_EQ(refusal("[]"), "toy.json: \"method\" is missing");
  EXPECT_EQ(refusal(replaced(text, "\"shape\": [2]", "\"shape\": [3]")), "toy.json: inputs: x: shape [3] takes 3 values, found 2");
  EXPECT_EQ(refusal(replaced(text, "\"f32\"", "\"f16\"")), "toy.json: inputs: x: dtype f16 is not one of f32, i64, bool");
  EXPECT_EQ(refusal(replaced(text, "[1.0, 2.0]", "[1.0, \"two\"]")), "toy.json: an entry has another type than expected");
  EXPECT_EQ(refusal(replaced(text, "1e-6", "\"small\"")), "toy.json: an entry has another type than expected");
}

TEST(Golden, JudgesAFolder) {
  const Scratch scratch;
  EXPECT_EQ(caught<DataError>([&] { judge_golden_folder(scratch.path(), ""); }).line, scratch.path() + ": no .json file here");
  EXPECT_THROW(judge_golden_folder(scratch.file("nowhere"), ""), DataError);
  std::ofstream(scratch.file("b.json")) << kCase;
  std::ofstream(scratch.file("a.json")) << replaced(kCase, "toy.square", "kd.hinton");
  const auto verdicts = judge_golden_folder(scratch.path(), "");
  ASSERT_EQ(verdicts.size(), 2u);
  EXPECT_EQ(verdicts[0].outcome, Outcome::failed);  // no logits_student
  EXPECT_EQ(verdicts[1].outcome, Outcome::unbound);
  EXPECT_EQ(judge_golden_folder(scratch.path(), "toy").size(), 1u);
  EXPECT_THROW(judge_golden_folder(scratch.path(), "square"), ConfigError);  // names begin with the filter
  EXPECT_EQ(caught<ConfigError>([&] { judge_golden_folder(scratch.path(), "toy.squared"); }).hint, "did you mean \"toy.square\"?");
}

}  // namespace
}  // namespace retort
