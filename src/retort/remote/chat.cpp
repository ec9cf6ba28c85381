// Bodies of questions, and what is asked in several calls.
#include "retort/remote/chat.h"

#include "retort/base/error.h"
#include "retort/remote/wire_values.h"

namespace retort {
namespace {

constexpr int64_t kMessageOverhead = 16;  // tokens that a chat template puts around a message, at most

// A server without system messages reads them at the head of the next message of the user.
std::vector<Message> without_system(const std::vector<Message>& messages) {
  std::vector<Message> kept;
  std::string orders;
  for (const Message& message : messages) {
    if (message.role == "system") {
      orders += message.content + "\n\n";
    } else if (message.role == "user" && !orders.empty()) {
      kept.push_back({"user", orders + message.content});
      orders.clear();
    } else {
      kept.push_back(message);
    }
  }
  if (!orders.empty()) kept.push_back({"user", orders.substr(0, orders.size() - 2)});
  return kept;
}

// What chat and completions share. `sample` moves the seed, or every sample of a seeded prompt would be the same.
Question sampled(const EndpointKnobs& endpoint, const ChatParams& params, const std::string& path, const std::string& length_field,
                 int64_t sample) {
  Question question;
  nlohmann::json& body = question.request;
  const std::string& model = params.model.empty() ? endpoint.model : params.model;
  if (!model.empty()) body["model"] = model;
  body["temperature"] = params.temperature;
  body["top_p"] = params.top_p;
  body[length_field] = params.max_tokens;
  if (endpoint.many_choices && params.n > 1) body["n"] = params.n;
  if (endpoint.takes_seed && params.seed >= 0) body["seed"] = params.seed + sample;
  if (!params.stop.empty()) {
    for (const auto& text : params.stop) body["stop"].push_back(as_utf8(text));
  }
  question.path = path;
  question.sample = sample;
  question.worst.completion_tokens = params.max_tokens * (endpoint.many_choices ? params.n : 1);
  return question;
}

}  // namespace

int64_t tokens_at_most(const std::string& text) { return static_cast<int64_t>(text.size()); }

Question chat_question(const EndpointKnobs& endpoint, const std::vector<Message>& messages, const ChatParams& params, int64_t sample) {
  Question question = sampled(endpoint, params, "/chat/completions", endpoint.length_field, sample);
  nlohmann::json& said = question.request["messages"] = nlohmann::json::array();
  for (const Message& message : endpoint.takes_system ? messages : without_system(messages)) {
    said.push_back({{"role", message.role}, {"content", as_utf8(message.content)}});
    question.worst.prompt_tokens += tokens_at_most(message.content) + kMessageOverhead;
  }
  if (params.top_logprobs > 0) {
    question.request["logprobs"] = true;
    question.request["top_logprobs"] = params.top_logprobs;
  }
  return question;
}

Question completion_question(const EndpointKnobs& endpoint, const std::string& prompt, const ChatParams& params, bool echo,
                             int64_t sample) {
  Question question = sampled(endpoint, params, "/completions", "max_tokens", sample);
  question.request["prompt"] = as_utf8(prompt);
  if (params.top_logprobs > 0) question.request["logprobs"] = params.top_logprobs;
  if (params.prompt_logprobs > 0) question.request["prompt_logprobs"] = params.prompt_logprobs;
  if (echo) question.request["echo"] = true;
  question.worst.prompt_tokens = tokens_at_most(prompt) + 1;
  return question;
}

Question embedding_question(const EndpointKnobs& endpoint, const std::vector<std::string>& texts) {
  Question question;
  question.path = "/embeddings";
  if (!endpoint.model.empty()) question.request["model"] = endpoint.model;
  question.request["encoding_format"] = "float";
  nlohmann::json& input = question.request["input"] = nlohmann::json::array();
  for (const auto& text : texts) {
    input.push_back(as_utf8(text));
    question.worst.prompt_tokens += tokens_at_most(text) + 2;
  }
  return question;
}

Question classifier_question(const std::vector<std::vector<float>>& inputs) {
  Question question;
  question.request["inputs"] = shortest_rows(inputs);
  return question;
}

std::vector<Completion> complete(Asker& asker, const std::vector<Message>& messages, const ChatParams& params) {
  if (params.n < 1) throw ConfigError(fmt::format("n = {} completions were asked for", params.n), "ask for at least one");
  if (asker.knobs().many_choices || params.n == 1)
    return completions_of(asker.ask(chat_question(asker.knobs(), messages, params), check_chat));
  std::vector<Completion> all(static_cast<size_t>(params.n));
  int64_t sample = 0;
  asker.ask(
      [&]() -> std::optional<Question> {
        if (sample == params.n) return {};
        Question question = chat_question(asker.knobs(), messages, params, sample);
        question.tag = sample++;
        return question;
      },
      check_chat,
      [&](const Question& question, const nlohmann::json& reply, bool) {
        all[static_cast<size_t>(question.tag)] = completions_of(reply).front();
      });
  return all;
}

}  // namespace retort
