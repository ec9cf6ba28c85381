#include "retort/remote/chat.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/remote/fault_server.h"
#include "tests/support.h"

namespace retort {
namespace {

using nlohmann::json;
using testing::Asked;
using testing::FaultServer;
using testing::Wire;

EndpointKnobs endpoint() {
  EndpointKnobs knobs;
  knobs.url = "http://host/v1";
  knobs.model = "m";
  return knobs;
}

json choice(const std::string& text, int index = 0) {
  return {{"index", index}, {"message", {{"role", "assistant"}, {"content", text}}}, {"finish_reason", "stop"}};
}
json chat_reply(const std::vector<json>& choices) {
  return {{"choices", choices}, {"usage", {{"prompt_tokens", 11}, {"completion_tokens", 5}}}};
}

Question plain() { return chat_question(endpoint(), {{"user", "hi"}}, {}); }

Completion said(const json& choice) { return completions_of(check_chat(plain(), chat_reply({choice})).reply).front(); }

std::string broken(const Question& question, const json& body, const CheckReply& check, bool again = false) {
  try {
    check(question, body);
  } catch (const BrokenReply& error) {
    EXPECT_EQ(error.again, again);
    return error.what();
  }
  return "nothing was thrown";
}

TEST(ChatQuestion, Body) {
  ChatParams params;
  params.temperature = 0.5;
  params.max_tokens = 7;
  params.n = 3;
  params.seed = 4;
  params.top_logprobs = 5;
  params.stop = {"\n"};
  const Question question = chat_question(endpoint(), {{"system", "be brief"}, {"user", "hi"}}, params);
  EXPECT_EQ(
      question.request,
      json::parse(
          R"({"model": "m", "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}], "temperature": 0.5, "top_p": 1.0,
      "max_tokens": 7, "n": 3, "seed": 4, "stop": ["\n"], "logprobs": true, "top_logprobs": 5})"));
  EXPECT_EQ(question.path, "/chat/completions");
  EXPECT_EQ(question.worst.completion_tokens, 21);
  EXPECT_EQ(question.worst.prompt_tokens, 10 + 2 * 16);
}

TEST(ChatQuestion, Quirks) {
  EndpointKnobs knobs = endpoint();
  knobs.many_choices = knobs.takes_seed = knobs.takes_system = false;
  knobs.length_field = "max_completion_tokens";
  ChatParams params;
  params.n = 3;
  params.seed = 4;
  params.max_tokens = 7;
  const Question question = chat_question(knobs, {{"system", "a"}, {"system", "b"}, {"user", "hi"}, {"assistant", "yes"}, {"system", "c"}},
                                          params, 2);
  EXPECT_EQ(
      question.request["messages"],
      json::parse(
          R"([{"role": "user", "content": "a\n\nb\n\nhi"}, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "c"}])"));
  for (const char* absent : {"n", "seed", "max_tokens", "logprobs", "stop"}) EXPECT_FALSE(question.request.contains(absent)) << absent;
  EXPECT_EQ(question.request["max_completion_tokens"], 7);
  EXPECT_EQ(question.sample, 2);
  EXPECT_EQ(question.worst.completion_tokens, 7);
  // Samples of a seeded prompt have seeds of their own.
  knobs.takes_seed = true;
  EXPECT_EQ(chat_question(knobs, {{"user", "hi"}}, params, 2).request["seed"], 6);
}

TEST(ChatQuestion, TextThatIsNoUtf8) {
  const Question question = chat_question(endpoint(),
                                          {{"user",
                                            "a\xff"
                                            "b \xc3\xa9"}},
                                          {});
  EXPECT_EQ(question.request["messages"][0]["content"],
            "a\xef\xbf\xbd"
            "b \xc3\xa9");
  question.request.dump();
}

TEST(ClassifierQuestion, ShortNumbers) {
  const Question question = classifier_question({{0.1f, -2.f}, {1e-7f, 3.f}});
  EXPECT_EQ(question.request.dump(), R"({"inputs":[[0.1,-2.0],[1e-07,3.0]]})");
  EXPECT_EQ(question.path, "");
  EXPECT_EQ(static_cast<float>(question.request["inputs"][0][0].get<double>()), 0.1f);
}

TEST(CheckChat, Reads) {
  const json body = json::parse(
      R"({"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "length", "logprobs": {"content": [
      {"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Yo", "logprob": -1.5}, {"token": "Hi", "logprob": -0.5}]}]}}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}})");
  ChatParams params;
  params.top_logprobs = 2;
  const Checked checked = check_chat(chat_question(endpoint(), {{"user", "x"}}, params), body);
  EXPECT_EQ(checked.usage.prompt_tokens, 3);
  EXPECT_EQ(checked.usage.completion_tokens, 1);
  const Completion completion = completions_of(checked.reply).front();
  EXPECT_EQ(completion.text, "Hi");
  EXPECT_TRUE(completion.truncated());
  ASSERT_EQ(completion.tokens.size(), 1u);
  EXPECT_EQ(completion.tokens[0].token, "Hi");
  EXPECT_EQ(completion.tokens[0].logprob, -0.5);
  EXPECT_EQ(completion.tokens[0].top, (std::vector<std::pair<std::string, double>>{{"Hi", -0.5}, {"Yo", -1.5}}));
  EXPECT_EQ(completion.usage.prompt_tokens, 3);
}

TEST(CheckChat, WithoutUsageTheWorstIsPaid) {
  json body = chat_reply({choice("x")});
  body.erase("usage");
  EXPECT_EQ(check_chat(plain(), body).usage.completion_tokens, 256);
}

TEST(CheckChat, Reasoning) {
  EXPECT_EQ(said(choice("plain")).reasoning, "");
  const Completion tagged = said(choice("<think>\n2+2\n</think>\n\n4"));
  EXPECT_EQ(tagged.reasoning, "2+2");
  EXPECT_EQ(tagged.text, "4");
  const Completion half = said(choice("2+2</think>4"));  // the template wrote the opening tag
  EXPECT_EQ(half.reasoning, "2+2");
  EXPECT_EQ(half.text, "4");
  const Completion cut = said(choice("<think>and then"));
  EXPECT_EQ(cut.reasoning, "and then");
  EXPECT_EQ(cut.text, "");
  json field = choice("4");
  field["message"]["reasoning_content"] = "2+2";
  EXPECT_EQ(said(field).reasoning, "2+2");
  EXPECT_EQ(said(field).text, "4");
  field["message"]["content"] = nullptr;
  EXPECT_EQ(said(field).text, "");
  EXPECT_EQ(said(choice("write <think> in a tag")).text, "write <think> in a tag");
}

TEST(CheckChat, ChoicesInTheirOrder) {
  ChatParams params;
  params.n = 2;
  const Question two = chat_question(endpoint(), {{"user", "hi"}}, params);
  const auto both = completions_of(check_chat(two, chat_reply({choice("b", 1), choice("a", 0)})).reply);
  EXPECT_EQ(both[0].text, "a");
  EXPECT_EQ(both[1].text, "b");
  EXPECT_EQ(broken(two, chat_reply({choice("a")}), check_chat), "1 choices where 2 were asked for");
  EXPECT_EQ(broken(two, chat_reply({choice("a"), choice("b")}), check_chat), "choice 0 twice");
  EXPECT_EQ(broken(two, chat_reply({choice("a"), choice("b", 7)}), check_chat), "choice 7 where 2 were asked for");
  EXPECT_EQ(broken(plain(), chat_reply({choice("a"), choice("b", 1)}), check_chat), "2 choices where 1 were asked for");
  EXPECT_EQ(broken(plain(), chat_reply({}), check_chat, /*again=*/true), "no choices");
  EXPECT_EQ(broken(plain(), json::object(), check_chat, /*again=*/true), "no choices");
}

TEST(CheckChat, Refuses) {
  EXPECT_EQ(broken(plain(), json::array(), check_chat), "JSON that is no object");
  EXPECT_EQ(broken(plain(), {{"error", {{"message", "overloaded"}}}}, check_chat), "an error in a reply that says success: overloaded");
  EXPECT_EQ(broken(plain(), chat_reply({json{{"text", "x"}}}), check_chat), "a choice without a message");
  EXPECT_EQ(broken(plain(), chat_reply({json{{"message", {{"content", 7}}}}}), check_chat), "a reply whose \"content\" is no text");
  ChatParams params;
  params.top_logprobs = 1;
  const Question scored = chat_question(endpoint(), {{"user", "hi"}}, params);
  EXPECT_EQ(broken(scored, chat_reply({choice("x")}), check_chat), "no log-probabilities, which were asked for");
  json with = choice("x");
  with["logprobs"]["content"] = json::array({json{{"token", "x"}, {"logprob", nullptr}}});
  EXPECT_EQ(broken(scored, chat_reply({with}), check_chat), "a log-probability that is no finite number");
  with["logprobs"]["content"][0]["logprob"] = 0.5;
  EXPECT_EQ(broken(scored, chat_reply({with}), check_chat), "a log-probability of 0.5, above 0");
}

TEST(CheckCompletion, EchoedPrompt) {
  ChatParams params;
  params.top_logprobs = 1;
  const Question question = completion_question(endpoint(), "a b", params, /*echo=*/true);
  EXPECT_EQ(question.request["echo"], true);
  EXPECT_EQ(question.request["logprobs"], 1);
  const json body = json::parse(
      R"({"choices": [{"index": 0, "text": "a b c", "finish_reason": "length", "logprobs": {"tokens": ["a", " b", " c"], "token_logprobs": [null, -1.0, -2.0],
      "top_logprobs": [null, {" x": -0.5}, {" c": -2.0}], "text_offset": [0, 1, 3]}}], "usage": {"prompt_tokens": 2, "completion_tokens": 1}})");
  const Completion completion = completions_of(check_completion(question, body).reply).front();
  EXPECT_EQ(completion.text, " c");
  ASSERT_EQ(completion.prompt_tokens.size(), 2u);
  EXPECT_TRUE(std::isnan(completion.prompt_tokens[0].logprob));
  EXPECT_EQ(completion.prompt_tokens[1].logprob, -1.0);
  EXPECT_EQ(completion.prompt_tokens[1].top.front().first, " x");
  ASSERT_EQ(completion.tokens.size(), 1u);
  EXPECT_EQ(completion.tokens[0].token, " c");
  json other = body;
  other["choices"][0]["text"] = "c";
  EXPECT_EQ(broken(question, other, check_completion), "a completion without its prompt, which was to be echoed");
}

TEST(CheckCompletion, RankedPrompt) {
  ChatParams params;
  params.prompt_logprobs = 2;
  const Question question = completion_question(endpoint(), "ab cd", params);
  EXPECT_EQ(question.request["prompt_logprobs"], 2);
  const json body = json::parse(R"({"choices": [{"index": 0, "text": "!", "finish_reason": "stop", "prompt_logprobs": [null,
      {"5": {"logprob": -0.5, "rank": 1, "decoded_token": "a"}, "9": {"logprob": -1.0, "rank": 2, "decoded_token": "ab"}},
      {"3": {"logprob": -0.1, "rank": 1, "decoded_token": "x"}, "4": {"logprob": -2.5, "rank": 2, "decoded_token": "y"}, "1": {"logprob": -7.0, "rank": 90, "decoded_token": " cd"}}]}]})");
  const Completion completion = completions_of(check_completion(question, body).reply).front();
  ASSERT_EQ(completion.prompt_tokens.size(), 3u);
  EXPECT_TRUE(std::isnan(completion.prompt_tokens[0].logprob));
  EXPECT_EQ(completion.prompt_tokens[1].token, "ab");
  EXPECT_EQ(completion.prompt_tokens[1].logprob, -1.0);
  EXPECT_EQ(completion.prompt_tokens[2].token, " cd");
  EXPECT_EQ(completion.prompt_tokens[2].logprob, -7.0);
  EXPECT_EQ(completion.prompt_tokens[2].top.size(), 2u);
  EXPECT_EQ(broken(question, json::parse(R"({"choices": [{"text": "!"}]})"), check_completion),
            "no log-probabilities of the prompt, which were asked for");
}

TEST(CheckEmbedding, EntriesByIndex) {
  const Question question = embedding_question(endpoint(), {"a", "b"});
  EXPECT_EQ(question.request, json::parse(R"({"model": "m", "encoding_format": "float", "input": ["a", "b"]})"));
  const auto entry = [](int index, const json& vector) { return json{{"index", index}, {"embedding", vector}}; };
  const auto vectors = embeddings_of(check_embedding(question, {{"data", {entry(1, {3, 4}), entry(0, {1, 2.5})}}}).reply);
  EXPECT_EQ(vectors, (std::vector<std::vector<float>>{{1, 2.5}, {3, 4}}));
  EXPECT_EQ(broken(question, {{"data", {entry(1, {3, 4}), entry(1, {1, 2})}}}, check_embedding), "embedding 1 twice");
  EXPECT_EQ(broken(question, {{"data", json::array({entry(0, {3, 4})})}}, check_embedding), "1 embeddings of 2 texts");
  EXPECT_EQ(broken(question, {{"data", {entry(0, {3, 4}), entry(1, {1})}}}, check_embedding),
            "embeddings of different lengths: 2 values in entry 0, 1 in entry 1");
  EXPECT_EQ(broken(question, {{"data", {entry(0, {3, nullptr}), entry(1, {1, 2})}}}, check_embedding),
            "embeddings: a value in entry 0 that is no finite number");
}

TEST(CheckClassifier, Reads) {
  const Question two = classifier_question({{1}, {2}});
  EXPECT_EQ(classified_of(check_classifier(two, json::parse(R"({"probs": [[0.25, 0.75], [1, 0]]})")).reply).probabilities,
            (std::vector<std::vector<float>>{{0.25, 0.75}, {1, 0}}));
  EXPECT_EQ(classified_of(check_classifier(two, json::parse(R"({"labels": [3, 0]})")).reply).labels, (std::vector<int64_t>{3, 0}));
  EXPECT_EQ(classified_of(check_classifier(two, json::parse(R"({"scores": [[-4, 9], [7, 0.5]]})")).reply).scores,
            (std::vector<std::vector<float>>{{-4, 9}, {7, 0.5}}));
}

TEST(CheckClassifier, RoundedAndHiddenProbabilities) {
  const Question one = classifier_question({{1}});
  const auto passes = [&](const std::string& row) {
    return broken(one, json::parse("{\"probs\": [" + row + "]}"), check_classifier) == "nothing was thrown";
  };
  EXPECT_TRUE(passes("[0.33, 0.33, 0.33]"));
  EXPECT_TRUE(passes("[0.6, 0.2, 0, 0]"));  // the two largest
  EXPECT_TRUE(passes("[0.3333, 0.3333, 0.3333]"));
  EXPECT_FALSE(passes("[0.33, 0.33, 0.37]"));
  EXPECT_FALSE(passes("[0.333, 0.333, 0.31]"));
  EXPECT_FALSE(passes("[0, 0, 0]"));
  EXPECT_FALSE(passes("[1.2, -0.2]"));
  EXPECT_FALSE(passes("[0.9, 0.6, 0]"));
}

TEST(CheckClassifier, Refuses) {
  const Question two = classifier_question({{1}, {2}});
  const auto line = [&](const std::string& body) { return broken(two, json::parse(body), check_classifier); };
  EXPECT_EQ(line(R"({"labels": [1]})"), "1 labels for 2 inputs");
  EXPECT_EQ(line(R"({"labels": [1, 1, 2]})"), "3 labels for 2 inputs");
  EXPECT_EQ(line(R"({"labels": [1, 0.5]})"), "a label that is no class number");
  EXPECT_EQ(line(R"({"labels": [1, -1]})"), "a label that is no class number");
  EXPECT_EQ(line(R"({"probs": [[1, 0], [1]]})"), "probs of different lengths: 2 values in entry 0, 1 in entry 1");
  EXPECT_EQ(line(R"({"probs": [[1, 0], []]})"), "probs: entry 1 is no list of numbers");
  EXPECT_EQ(line(R"({"probs": [[1.5, -0.5], [1, 0]]})"), "a probability of 1.5 (entry 0)");
  EXPECT_EQ(line(R"({"scores": [[1e300, 0], [1, 0]]})"), "scores: a value in entry 0 beyond all bounds");
  EXPECT_EQ(line("{}"), "neither probs nor labels nor scores");
}

TEST(KeptReplies, OfAnotherKind) {
  EXPECT_THROW(completions_of(json::parse(R"({"probs": [[1, 0]]})")), DataError);
  EXPECT_THROW(embeddings_of(json::parse("[]")), DataError);
  EXPECT_THROW(classified_of(json::parse(R"({"completions": []})")), DataError);
}

EndpointKnobs quick(const FaultServer& server) {
  EndpointKnobs knobs = endpoint();
  knobs.url = server.url("/v1");
  knobs.cache = "";
  knobs.retry_base = 0.002;
  return knobs;
}

TEST(Complete, ChoicesOfOneCallOrOfMany) {
  FaultServer server([](const Asked& asked, Wire& wire) {
    const json body = asked.json();
    std::vector<json> choices;
    for (int i = 0; i < body.value("n", 1); ++i) choices.push_back(choice(fmt::format("{} {}", body.value("seed", 0), i), i));
    wire.reply(chat_reply(choices));
  });
  EndpointKnobs knobs = quick(server);
  ChatParams params;
  params.n = 3;
  params.seed = 7;
  Asker one(knobs);
  const auto together = complete(one, {{"user", "hi"}}, params);
  ASSERT_EQ(together.size(), 3u);
  EXPECT_EQ(together[2].text, "7 2");
  EXPECT_EQ(server.requests(), 1);
  knobs.many_choices = false;
  Asker three(knobs);
  const auto apart = complete(three, {{"user", "hi"}}, params);
  ASSERT_EQ(apart.size(), 3u);
  EXPECT_EQ(apart[0].text, "7 0");
  EXPECT_EQ(apart[2].text, "9 0");
  EXPECT_EQ(server.requests(), 4);
  // Asked again, all come from the cache.
  complete(three, {{"user", "hi"}}, params);
  EXPECT_EQ(server.requests(), 4);
}

TEST(Probe, FindsWhatAnEndpointCanDo) {
  // One choice a call, five log-probabilities, no system role, no completions; embeddings.
  FaultServer server([](const Asked& asked, Wire& wire) {
    const json body = asked.json();
    if (asked.path == "/v1/embeddings") return wire.reply(json{{"data", json::array({json{{"index", 0}, {"embedding", {1, 2}}}})}});
    if (asked.path != "/v1/chat/completions") return wire.reply(404, R"({"error": {"message": "no such path"}})");
    if (body.value("n", 1) > 1 || body.value("top_logprobs", 0) > 5) return wire.reply(400, R"({"error": {"message": "too much"}})");
    if (body["messages"][0]["role"] == "system") return wire.reply(422, "{}");
    json one = choice("blue");
    if (body.value("top_logprobs", 0) > 0) {
      json top = json::array();
      for (int k = 0; k < body["top_logprobs"]; ++k) top.push_back({{"token", fmt::format("t{}", k)}, {"logprob", -1.0 - k}});
      one["logprobs"]["content"] = json::array({json{{"token", "t0"}, {"logprob", -1.0}, {"top_logprobs", top}}});
    }
    wire.reply(chat_reply({one}));
  });
  Asker asker(quick(server));
  const Capabilities found = probe_capabilities(asker, "m");
  EXPECT_EQ(found.top_logprobs, 5);
  EXPECT_EQ(found.max_choices, 1);
  EXPECT_TRUE(found.seed);
  EXPECT_FALSE(found.system);
  EXPECT_FALSE(found.echo);
  EXPECT_FALSE(found.prompt_logprobs);
  EXPECT_TRUE(found.embeddings);
}

TEST(Probe, SaysWhatIsWrong) {
  FaultServer server([](const Asked&, Wire& wire) { wire.reply(401, R"({"error": {"message": "no key"}})"); });
  Asker asker(quick(server));
  EXPECT_NE(caught<EndpointError>([&] { probe_capabilities(asker, "m"); }).line.find("401 (unauthorized): no key"), std::string::npos);
}

}  // namespace
}  // namespace retort
