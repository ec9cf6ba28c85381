#include "retort/base/checkpoint.h"

#include "retort/base/file.h"
#include "retort/base/safetensors.h"
#include "tests/support.h"

namespace retort {
namespace {

TEST(State, ComesBackBitForBit) {
  Scratch scratch;
  State state;
  state.tensors["w"] = at::randn({3, 2});
  state.values["step"] = 12345678901234LL;
  state.values["loss"] = 0.1;
  state.values["list"] = {1, 2, {{"deep", true}}};
  save_state(scratch.file("s"), state);
  const State back = load_state(scratch.file("s"));
  EXPECT_TRUE(at::equal(back.tensor("w"), state.tensors["w"]));
  EXPECT_EQ(back.values, state.values);
}

TEST(State, PartsLieUnderTheirPrefix) {
  State part;
  part.tensors["w"] = at::ones({1});
  part.values["n"] = 3;
  State whole;
  whole.put("a", part);
  whole.put("ab", State{{{"other", at::zeros({1})}}, {{"m", 4}}});
  EXPECT_EQ(whole.tensors.count("a/w"), 1u);
  const State taken = whole.take("a");
  EXPECT_EQ(taken.tensors.size(), 1u);  // "ab/…" is not a part of "a"
  EXPECT_EQ(taken.values, (nlohmann::json{{"n", 3}}));
  EXPECT_TRUE(whole.take("nothing").tensors.empty());
  EXPECT_TRUE(whole.take("nothing").values.empty());
}

TEST(State, NamesTheTensorThatIsMissing) {
  EXPECT_EQ(caught<DataError>([] { State().tensor("w"); }).line, "checkpoint holds no tensor 'w'");
}

TEST(State, RefusesAFileThatIsNoCheckpoint) {
  Scratch scratch;
  write_safetensors(scratch.file("s"), {{"w", at::ones({1})}});
  EXPECT_NE(caught<DataError>([&] { load_state(scratch.file("s")); }).line.find("not a checkpoint"), std::string::npos);
}

}  // namespace
}  // namespace retort
