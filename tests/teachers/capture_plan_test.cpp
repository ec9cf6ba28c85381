#include "retort/teachers/capture_plan.h"

#include "retort/base/file.h"
#include "retort/teachers/capture_job.h"
#include "tests/support.h"

namespace retort {
namespace {

using nlohmann::json;

TEST(Shards, TakeEveryNthRow) {
  EXPECT_EQ(Shard::from("1/3").rows(8), (std::vector<int64_t>{1, 4, 7}));
  EXPECT_EQ(Shard::from("0/1").rows(3), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_TRUE(Shard::from("4/5").rows(4).empty());
  for (const char* bad : {"", "1", "3/3", "-1/3", "0/0", "1/2x", "a/b"}) caught<ConfigError>([&] { Shard::from(bad); });
}

TEST(Prompts, ComeFromLinesOrObjects) {
  Scratch scratch;
  write_file(scratch.file("plain.txt"), "first\n\n  \nfourth\r\nlast");
  const PromptFile plain(scratch.file("plain.txt"));
  ASSERT_EQ(plain.size(), 3);
  EXPECT_EQ(plain.at(1).messages.at(0).content, "fourth");
  EXPECT_EQ(plain.at(2).id, 4);
  write_file(scratch.file("p.jsonl"), R"({"id": 7, "prompt": "a\nb"}
{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "id": -2}
{"text": "t"}
)");
  const PromptFile file(scratch.file("p.jsonl"));
  EXPECT_EQ(file.at(0).text(), "a\nb");
  EXPECT_EQ(file.id(1), -2);
  EXPECT_EQ(file.at(1).text(), "s\n\nu");
  EXPECT_EQ(file.at(2).id, 2);
  EXPECT_NE(file.about(), plain.about());
}

TEST(Prompts, NameTheLineThatIsWrong) {
  Scratch scratch;
  const auto refused = [&](const std::string& text) {
    write_file(scratch.file("p.jsonl"), text);
    return caught<DataError>([&] { PromptFile(scratch.file("p.jsonl")); }).line;
  };
  EXPECT_NE(refused("{\"prompt\": \"a\"}\n{").find(":2: not a JSON object"), std::string::npos);
  EXPECT_NE(refused("{\"prompt\": 1}").find(":1: \"prompt\" is not a text"), std::string::npos);
  EXPECT_NE(refused("{}").find("no prompt"), std::string::npos);
  EXPECT_NE(refused("{\"messages\": [{\"role\": \"user\"}]}").find("\"content\""), std::string::npos);
  EXPECT_NE(refused("{\"prompt\": \"a\", \"id\": 1.5}").find("whole number"), std::string::npos);
  EXPECT_NE(refused("{\"prompt\": \"a\", \"id\": 1}\n{\"prompt\": \"b\"}").find("twice"), std::string::npos);
  EXPECT_NE(refused("\n").find("no prompts"), std::string::npos);
}

TEST(Prompts, ThatBeginAlikeAreNeighbours) {
  Scratch scratch;
  write_file(scratch.file("p.jsonl"),
             "{\"id\": 0, \"prompt\": \"long preface A: x\"}\n{\"id\": 1, \"prompt\": \"other B\"}\n{\"prompt\": \"long preface A: "
             "y\"}\n{\"id\": 3, \"prompt\": \"other A\"}\n");
  const PromptFile file(scratch.file("p.jsonl"));
  EXPECT_EQ(file.by_prefix({0, 1, 2, 3}), (std::vector<int64_t>{0, 2, 3, 1}));
  EXPECT_EQ(file.by_prefix({3, 0}), (std::vector<int64_t>{0, 3}));
}

EndpointKnobs endpoint(const std::string& api) {
  EndpointKnobs knobs;
  knobs.url = "http://127.0.0.1:1/v1";
  knobs.api = api;
  knobs.model = "m";
  return knobs;
}

json chat_body(const std::vector<std::string>& texts) {
  json choices = json::array();
  for (const std::string& text : texts)
    choices.push_back({{"index", choices.size()}, {"message", {{"role", "assistant"}, {"content", text}}}, {"finish_reason", "stop"}});
  return {{"choices", choices}, {"usage", {{"prompt_tokens", 3}, {"completion_tokens", 2}}}};
}

// A row of the store has all samples of its prompt, in their order, however many calls they took and in whatever order those came back.
TEST(TextPlans, GatherTheSamplesOfAPrompt) {
  Scratch scratch;
  write_file(scratch.file("p.txt"), "b\na\n");
  const auto prompts = std::make_shared<const PromptFile>(scratch.file("p.txt"));
  TextKnobs texts;
  texts.samples = 2;
  CaptureOptions options;
  const auto never = [](int64_t) { return false; };

  EndpointKnobs one_a_call = endpoint("chat");
  one_a_call.many_choices = false;
  const auto plan = text_plan(prompts, {0, 1}, one_a_call, texts, options);
  ASSERT_EQ(plan->questions(), 4);
  EXPECT_EQ(plan->samples(), 2);
  EXPECT_NE(plan->question(0).request.dump().find("\"a\""), std::string::npos) << "prompts are ordered by their beginnings";
  EXPECT_EQ(plan->question(3).sample, 1);
  EXPECT_EQ(plan->question(3).tag, 3);
  SignalWriter writer("", plan->header());
  for (const int64_t at : {3, 0, 2, 1})
    plan->keep(writer, at, plan->check(plan->question(at), chat_body({"said " + std::to_string(at)})).reply);
  writer.seal();
  const auto store = writer.open();
  const auto rows = store->read_text(at::tensor(std::vector<int64_t>{0, 1}, at::kLong));
  EXPECT_EQ(rows[0][0].text, "said 2");
  EXPECT_EQ(rows[0][1].text, "said 3");
  EXPECT_EQ(rows[1][1].text, "said 1");
  EXPECT_TRUE(plan->stored(0, [&](int64_t id) { return store->has(id); }));
  EXPECT_FALSE(plan->stored(0, never));

  const auto together = text_plan(prompts, {0, 1}, endpoint("chat"), texts, options);
  EXPECT_EQ(together->questions(), 2);
  EXPECT_EQ(together->question(0).request.at("n"), 2);
}

TEST(ClassifierPlans, AskItemsAtATimeAndKeepWhatIsWanted) {
  Dataset data;
  data.name = "points";
  data.inputs = at::arange(10, at::kFloat).reshape({5, 2});
  data.labels = at::zeros({5}, at::kLong);
  data.ids = at::tensor(std::vector<int64_t>{10, 11, 12, 13, 14}, at::kLong);
  data.spec.shape = {2};
  data.spec.classes = {"a", "b"};
  EndpointKnobs knobs = endpoint("classifier");
  knobs.items = 2;
  CaptureOptions options;
  options.labels = true;
  const auto plan = classifier_plan(data, knobs, options);
  ASSERT_EQ(plan->questions(), 3);
  EXPECT_EQ(plan->question(2).request.at("inputs"), json::parse("[[8.0, 9.0]]"));
  SignalWriter writer("", plan->header());
  plan->keep(writer, 2, plan->check(plan->question(2), json::parse(R"({"probs": [[0.25, 0.75]]})")).reply);
  plan->keep(writer, 0, plan->check(plan->question(0), json::parse(R"({"scores": [[2, 1], [0, 5]]})")).reply);
  writer.seal();
  const auto store = writer.open();
  EXPECT_EQ(store->count(), 3);
  const Tensor ids = at::tensor(std::vector<int64_t>{14, 11}, at::kLong);
  EXPECT_TRUE(at::equal(store->read("labels", ids), at::tensor(std::vector<int64_t>{1, 1}, at::kLong)));
  EXPECT_TRUE(
      at::allclose(store->read("logits", ids), at::tensor(std::vector<float>{std::log(0.25f), std::log(0.75f), 0, 5}).reshape({2, 2})));
  const auto keep_labels = [&] { plan->keep(writer, 1, plan->check(plan->question(1), json::parse(R"({"labels": [0, 1]})")).reply); };
  EXPECT_NE(caught<TeacherError>(keep_labels).line.find("labels only"), std::string::npos);
  const auto keep_three = [&] {
    plan->keep(writer, 1, plan->check(plan->question(1), json::parse(R"({"scores": [[1, 2, 3], [1, 2, 3]]})")).reply);
  };
  EXPECT_NE(caught<TeacherError>(keep_three).line.find("3 values"), std::string::npos);
  options.features = {"stage1"};
  caught<ConfigError>([&] { classifier_plan(data, knobs, options); });
}

TEST(Estimates, CountWhatIsLeft) {
  Scratch scratch;
  write_file(scratch.file("p.txt"), "four\nfive5\nsix666\n");
  const auto prompts = std::make_shared<const PromptFile>(scratch.file("p.txt"));
  EndpointKnobs knobs = endpoint("chat");
  knobs.concurrency = 2;
  knobs.price_completion = 1e6;
  TextKnobs texts;
  texts.max_tokens = 10;
  const auto plan = text_plan(prompts, {0, 1, 2}, knobs, texts, {});
  const CaptureEstimate all = estimate_capture(
      *plan, knobs, nullptr, [](int64_t) { return false; }, 3);
  EXPECT_EQ(all.worst.calls, 3);
  EXPECT_EQ(all.worst.completion_tokens, 30);
  EXPECT_DOUBLE_EQ(all.worst.money, 30);
  EXPECT_EQ(all.likely.completion_tokens, 15);
  EXPECT_DOUBLE_EQ(all.seconds, 6);
  EXPECT_EQ(all.bound, "concurrency");
  knobs.requests_per_minute = 6;
  const CaptureEstimate rest = estimate_capture(
      *plan, knobs, nullptr, [](int64_t id) { return id == 0; }, 3, /*price=*/0.5);
  EXPECT_EQ(rest.worst.calls, 2);
  EXPECT_DOUBLE_EQ(rest.worst.money, 10);
  EXPECT_DOUBLE_EQ(rest.seconds, 20);
  EXPECT_EQ(rest.bound, "requests a minute");
}

}  // namespace
}  // namespace retort
