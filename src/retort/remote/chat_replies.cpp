// Replies of chat, completions and embeddings: checked, made compact, read back.
#include <algorithm>
#include <cmath>

#include "retort/remote/chat.h"
#include "retort/remote/wire_values.h"

namespace retort {
namespace {

using nlohmann::json;

Usage usage_in(const json& body, const Usage& worst) {
  const json& usage = entry_of(body, "usage");
  return {1, count_of(usage, "prompt_tokens", worst.prompt_tokens), count_of(usage, "completion_tokens", worst.completion_tokens), 0};
}

json kept_usage(const Usage& usage) { return {{"prompt_tokens", usage.prompt_tokens}, {"completion_tokens", usage.completion_tokens}}; }

void refuse_error(const json& body) {
  if (!body.is_object()) throw BrokenReply("JSON that is no object");
  const json& error = entry_of(body, "error");
  if (error.is_null()) return;
  const json& said = error.is_object() ? entry_of(error, "message") : error;
  throw BrokenReply("an error in a reply that says success" + (said.is_string() ? ": " + said.get<std::string>().substr(0, 200) : ""));
}

// Entries in the order of their "index" (their own order where they have none).
std::vector<const json*> in_order(const json& entries, size_t expected, const std::string& what) {
  std::vector<const json*> ordered(expected, nullptr);
  size_t at = 0;
  for (const json& entry : entries) {
    const auto index = static_cast<size_t>(count_of(entry, "index", static_cast<int64_t>(at++)));
    if (index >= expected) throw BrokenReply(fmt::format("{} {} where {} were asked for", what, index, expected));
    if (ordered[index]) throw BrokenReply(fmt::format("{} {} twice", what, index));
    ordered[index] = &entry;
  }
  for (size_t i = 0; i < expected; ++i) {
    if (!ordered[i]) throw BrokenReply(fmt::format("no {} {} of {}", what, i, expected));
  }
  return ordered;
}

std::vector<const json*> choices_in(const Question& question, const json& body) {
  refuse_error(body);
  const json& choices = entry_of(body, "choices");
  if (!choices.is_array() || choices.empty()) throw BrokenReply("no choices", true);
  const auto expected = static_cast<size_t>(count_of(question.request, "n", 1));
  if (choices.size() != expected) throw BrokenReply(fmt::format("{} choices where {} were asked for", choices.size(), expected));
  return in_order(choices, expected, "choice");
}

double logprob_of(const json& value) {
  const double logprob = number_of(value, "a log-probability");
  if (logprob > 1e-3) throw BrokenReply(fmt::format("a log-probability of {:g}, above 0", logprob));
  return logprob;
}

// [token, log-probability, [[token, log-probability], …]] with the largest first.
json kept_token(const std::string& token, const json& logprob, std::vector<std::pair<std::string, double>> top) {
  std::stable_sort(top.begin(), top.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  json others = json::array();
  for (const auto& [text, value] : top) others.push_back({text, value});
  return {token, logprob, std::move(others)};
}

json chat_tokens(const json& choice) {
  json tokens = json::array();
  for (const json& token : entry_of(entry_of(choice, "logprobs"), "content")) {
    std::vector<std::pair<std::string, double>> top;
    for (const json& other : entry_of(token, "top_logprobs"))
      top.emplace_back(text_of(other, "token"), logprob_of(entry_of(other, "logprob")));
    tokens.push_back(kept_token(text_of(token, "token"), logprob_of(entry_of(token, "logprob")), std::move(top)));
  }
  return tokens;
}

// The older form of completions: lists side by side. The first token of an echoed prompt has no log-probability.
json listed_tokens(const json& choice) {
  const json& lists = entry_of(choice, "logprobs");
  const json& texts = entry_of(lists, "tokens");
  const json& values = entry_of(lists, "token_logprobs");
  const json& tops = entry_of(lists, "top_logprobs");
  if (texts.is_null()) return json::array();
  if (!texts.is_array() || !values.is_array() || texts.size() != values.size() || (tops.is_array() && tops.size() != texts.size()))
    throw BrokenReply("log-probabilities that do not fit their tokens");
  json tokens = json::array();
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!texts[i].is_string()) throw BrokenReply("a token that is no text");
    std::vector<std::pair<std::string, double>> top;
    if (tops.is_array() && tops[i].is_object()) {
      for (const auto& [text, value] : tops[i].items()) top.emplace_back(text, logprob_of(value));
    }
    tokens.push_back(
        kept_token(texts[i].get<std::string>(), values[i].is_null() && i == 0 ? json() : json(logprob_of(values[i])), std::move(top)));
  }
  return tokens;
}

// vLLM's: [null, {"<token id>": {"logprob", "rank", "decoded_token"}, …}, …]: the k largest of a place, and the prompt's own token where it is not among
// them. The own one is the entry beyond rank k, or else the longest that the rest of the prompt begins with.
json ranked_tokens(const json& places, const std::string& prompt, int64_t k) {
  json tokens = json::array();
  size_t at = 0;
  for (const json& place : places) {
    if (!place.is_object() || place.empty()) {
      tokens.push_back({"", nullptr, json::array()});
      continue;
    }
    std::vector<std::pair<std::string, double>> top;
    const json* own = nullptr;
    size_t longest = 0;
    bool beyond = false;
    for (const json& entry : place) {
      const std::string text = text_of(entry, "decoded_token");
      const double logprob = logprob_of(entry_of(entry, "logprob"));
      if (count_of(entry, "rank", 1) > k) {
        own = &entry;
        beyond = true;
        continue;
      }
      top.emplace_back(text, logprob);
      if (!beyond && (!own || text.size() > longest) && !text.empty() && prompt.compare(at, text.size(), text) == 0) {
        own = &entry;
        longest = text.size();
      }
    }
    if (!own)
      own = &*std::max_element(place.begin(), place.end(),
                               [](const json& a, const json& b) { return entry_of(a, "logprob") < entry_of(b, "logprob"); });
    const std::string text = text_of(*own, "decoded_token");
    if (prompt.compare(at, text.size(), text) == 0) at += text.size();
    tokens.push_back(kept_token(text, logprob_of(entry_of(*own, "logprob")), std::move(top)));
  }
  return tokens;
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string::npos ? std::string() : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// Splits what was thought from what was said. The opening tag may be missing (the template wrote it), and the closing one of a truncated answer.
void part(std::string& text, std::string& reasoning) {
  static const std::string open = "<think>", close = "</think>";
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool opened = first != std::string::npos && text.compare(first, open.size(), open) == 0;
  const size_t end = text.find(close);
  if (!opened && (end == std::string::npos || !reasoning.empty())) return;
  const size_t from = opened ? first + open.size() : 0;
  const std::string thought = trimmed(text.substr(from, end == std::string::npos ? end : end - from));
  const std::string rest = end == std::string::npos ? std::string() : text.substr(end + close.size());
  reasoning += (reasoning.empty() || thought.empty() ? "" : "\n") + thought;
  const size_t begin = rest.find_first_not_of(" \t\r\n");
  text = begin == std::string::npos ? std::string() : rest.substr(begin);
}

std::string finish_of(const json& choice) {
  const std::string reason = text_of(choice, "finish_reason");
  return reason.empty() ? "stop" : reason;
}

}  // namespace

Checked check_chat(const Question& question, const json& body) {
  json kept = json::array();
  const bool scored = !entry_of(question.request, "logprobs").is_null();
  for (const json* choice : choices_in(question, body)) {
    const json& message = entry_of(*choice, "message");
    if (!message.is_object()) throw BrokenReply("a choice without a message");
    std::string text = text_of(message, "content"), reasoning = text_of(message, "reasoning_content");
    if (reasoning.empty() && entry_of(message, "reasoning").is_string()) reasoning = text_of(message, "reasoning");
    part(text, reasoning);
    json tokens = chat_tokens(*choice);
    if (scored && tokens.empty() && !(text.empty() && reasoning.empty())) throw BrokenReply("no log-probabilities, which were asked for");
    kept.push_back({{"text", std::move(text)},
                    {"reasoning", std::move(reasoning)},
                    {"finish_reason", finish_of(*choice)},
                    {"tokens", std::move(tokens)}});
  }
  const Usage usage = usage_in(body, question.worst);
  return {{{"completions", std::move(kept)}, {"usage", kept_usage(usage)}}, usage};
}

Checked check_completion(const Question& question, const json& body) {
  json kept = json::array();
  const json& request = question.request;
  const bool scored = !entry_of(request, "logprobs").is_null(), echo = entry_of(request, "echo") == true;
  const std::string prompt = text_of(request, "prompt");
  const Usage usage = usage_in(body, question.worst);
  for (const json* choice : choices_in(question, body)) {
    std::string text = text_of(*choice, "text"), reasoning;
    json tokens = listed_tokens(*choice), before = json::array();
    if (scored && tokens.empty() && !text.empty()) throw BrokenReply("no log-probabilities, which were asked for");
    if (echo) {
      if (text.compare(0, prompt.size(), prompt) != 0) throw BrokenReply("a completion without its prompt, which was to be echoed");
      text.erase(0, prompt.size());
      size_t own = 0, bytes = 0;  // tokens whose texts make up the prompt
      while (own < tokens.size() && bytes < prompt.size()) bytes += tokens[own++][0].get_ref<const std::string&>().size();
      for (size_t i = 0; i < own; ++i) before.push_back(std::move(tokens[i]));
      tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(own));
    }
    if (const int64_t k = count_of(request, "prompt_logprobs", 0); k > 0) {
      const json& places = entry_of(*choice, "prompt_logprobs").is_array() ? entry_of(*choice, "prompt_logprobs")
                                                                           : entry_of(body, "prompt_logprobs");
      if (!places.is_array() || places.empty()) throw BrokenReply("no log-probabilities of the prompt, which were asked for");
      before = ranked_tokens(places, prompt, k);
    }
    part(text, reasoning);
    kept.push_back({{"text", std::move(text)},
                    {"reasoning", std::move(reasoning)},
                    {"finish_reason", finish_of(*choice)},
                    {"tokens", std::move(tokens)}});
    if (!before.empty()) kept.back()["prompt_tokens"] = std::move(before);
  }
  return {{{"completions", std::move(kept)}, {"usage", kept_usage(usage)}}, usage};
}

Checked check_embedding(const Question& question, const json& body) {
  refuse_error(body);
  const json& data = entry_of(body, "data");
  const size_t expected = entry_of(question.request, "input").size();
  if (!data.is_array() || data.size() != expected)
    throw BrokenReply(fmt::format("{} embeddings of {} texts", data.is_array() ? data.size() : 0, expected));
  json vectors = json::array();
  for (const json* entry : in_order(data, expected, "embedding")) vectors.push_back(entry_of(*entry, "embedding"));
  Usage usage = usage_in(body, question.worst);
  usage.completion_tokens = 0;
  return {{{"embeddings", shortest_rows(rows_of(vectors, "embeddings"))}, {"usage", kept_usage(usage)}}, usage};
}

namespace {

TokenLogprob token_in(const json& kept) {
  TokenLogprob token{kept.at(0).get<std::string>(), kept.at(1).is_null() ? std::nan("") : kept.at(1).get<double>(), {}};
  for (const json& other : kept.at(2)) token.top.emplace_back(other.at(0).get<std::string>(), other.at(1).get<double>());
  return token;
}

}  // namespace

std::vector<Completion> completions_of(const json& reply) {
  try {
    const Usage usage = {1, count_of(reply.at("usage"), "prompt_tokens", 0), count_of(reply.at("usage"), "completion_tokens", 0), 0};
    std::vector<Completion> all;
    for (const json& kept : reply.at("completions")) {
      Completion completion{kept.at("text").get<std::string>(),
                            kept.at("reasoning").get<std::string>(),
                            kept.at("finish_reason").get<std::string>(),
                            {},
                            {},
                            usage};
      for (const json& token : kept.at("tokens")) completion.tokens.push_back(token_in(token));
      for (const json& token : entry_of(kept, "prompt_tokens")) completion.prompt_tokens.push_back(token_in(token));
      all.push_back(std::move(completion));
    }
    if (all.empty()) throw DataError("a kept reply holds no completions");
    return all;
  } catch (const json::exception&) {
    throw DataError("a kept reply is no completion", "was the cache written by another version? Ask again with another cache file");
  }
}

std::vector<std::vector<float>> embeddings_of(const json& reply) {
  try {
    return reply.at("embeddings").get<std::vector<std::vector<float>>>();
  } catch (const json::exception&) {
    throw DataError("a kept reply holds no embeddings", "was the cache written by another version? Ask again with another cache file");
  }
}

}  // namespace retort
