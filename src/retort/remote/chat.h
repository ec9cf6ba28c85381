// The OpenAI-compatible wire: chat, completions and embeddings, as plain values.
#pragma once

#include <string>
#include <vector>

#include "retort/remote/asker.h"

namespace retort {

struct Message {
  std::string role, content;
};

struct ChatParams {
  std::string model;
  double temperature = 1, top_p = 1;
  int64_t max_tokens = 256, n = 1, seed = -1, top_logprobs = 0;  // seed -1: none; top_logprobs 0: no log-probabilities
  int64_t prompt_logprobs = 0;  // completions: those of the prompt's tokens too, so many a place, as vLLM gives them
  std::vector<std::string> stop;
};

struct TokenLogprob {
  std::string token;
  double logprob = 0;
  std::vector<std::pair<std::string, double>> top;  // largest first
};

struct Completion {
  std::string text, reasoning, finish_reason;  // stop, length (truncated: no answer), content_filter
  std::vector<TokenLogprob> tokens;
  std::vector<TokenLogprob> prompt_tokens;  // with echo or prompt_logprobs; the first has nothing before it: its logprob is NaN
  Usage usage;                              // of the whole reply that it came in
  bool truncated() const { return finish_reason == "length"; }
};

// What an endpoint can do, found out by asking (one short call each) or stated by the recipe; methods check it before they start.
struct Capabilities {
  int64_t top_logprobs = 0, max_choices = 1;
  bool seed = false, system = false, echo = false, prompt_logprobs = false, embeddings = false;
};
Capabilities probe_capabilities(Asker& asker, const std::string& model);

// Bodies, as the endpoint's quirks want them. Where `n` choices cannot be had in one call, ask n questions with sample 0 … n-1.
Question chat_question(const EndpointKnobs& endpoint, const std::vector<Message>& messages, const ChatParams& params, int64_t sample = 0);
// `echo`: the prompt comes back with its log-probabilities (params.top_logprobs of them a place).
Question completion_question(const EndpointKnobs& endpoint, const std::string& prompt, const ChatParams& params, bool echo = false,
                             int64_t sample = 0);
Question embedding_question(const EndpointKnobs& endpoint, const std::vector<std::string>& texts);
// A classifier: {"inputs": [[…], …]} (numbers, or texts) -> {"probs"} | {"labels"} | {"scores"}, one entry an input.
Question classifier_question(const std::vector<std::vector<float>>& inputs);

// Checks of replies; what they keep is a compact form of their own, which the functions below read. Throw BrokenReply: another number of choices,
// entries or values than asked for, one twice, no log-probabilities where they were asked for, NaN, probabilities that do not add up. Probabilities that an
// endpoint rounds, or shows only the largest of (the others 0), add up as far as that lets them.
Checked check_chat(const Question& question, const nlohmann::json& body);
Checked check_completion(const Question& question, const nlohmann::json& body);
Checked check_embedding(const Question& question, const nlohmann::json& body);
Checked check_classifier(const Question& question, const nlohmann::json& body);

// From a checked reply. Reasoning in `reasoning_content` or between <think> tags becomes `reasoning`. Throw DataError for a kept reply of another kind.
std::vector<Completion> completions_of(const nlohmann::json& reply);
std::vector<std::vector<float>> embeddings_of(const nlohmann::json& reply);
// What a classifier said: one of the three is filled.
struct Classified {
  std::vector<std::vector<float>> probabilities, scores;
  std::vector<int64_t> labels;
};
Classified classified_of(const nlohmann::json& reply);

// All samples of one prompt: one call, or n where the endpoint gives one choice a call.
std::vector<Completion> complete(Asker& asker, const std::vector<Message>& messages, const ChatParams& params);

// An upper estimate of the tokens of a text before any tokenizer is known: its bytes.
int64_t tokens_at_most(const std::string& text);

}  // namespace retort
