// What an endpoint can do, by asking.
#include "retort/remote/chat.h"

namespace retort {
namespace {

// The reply, or nothing where the endpoint refuses the request or answers something else. Everything else, such as a wrong key, is an error.
std::optional<nlohmann::json> reply_to(Asker& asker, const Question& question, const CheckReply& check) {
  try {
    return asker.ask(question, check);
  } catch (const BrokenReply&) {
    return {};
  } catch (const EndpointError& error) {
    if (error.status == 400 || error.status == 404 || error.status == 405 || error.status == 422 || error.status == 500 ||
        error.status == 501)
      return {};
    throw;
  }
}

}  // namespace

Capabilities probe_capabilities(Asker& asker, const std::string& model) {
  EndpointKnobs every = asker.knobs();
  every.many_choices = every.takes_seed = every.takes_system = true;
  if (!model.empty()) every.model = model;
  const std::vector<Message> user = {{"user", "Name a colour."}};
  ChatParams plain;
  plain.max_tokens = 4;
  plain.top_p = 1;
  Capabilities found;
  asker.ask(chat_question(every, user, plain), check_chat);  // what must work; says why where it does not

  for (const int64_t k : {20, 5, 1}) {
    ChatParams params = plain;
    params.max_tokens = 1;
    params.top_logprobs = k;
    const auto reply = reply_to(asker, chat_question(every, user, params), check_chat);
    if (!reply) continue;
    const auto completion = completions_of(*reply).front();
    if (!completion.tokens.empty()) found.top_logprobs = std::min(k, static_cast<int64_t>(completion.tokens.front().top.size()));
    if (found.top_logprobs > 0) break;
  }
  for (const int64_t n : {8, 2}) {
    ChatParams params = plain;
    params.n = n;
    if (!reply_to(asker, chat_question(every, user, params), check_chat)) continue;
    found.max_choices = n;
    break;
  }
  {
    ChatParams params = plain;
    params.seed = 7;
    params.max_tokens = 16;
    params.temperature = 1;
    Question question = chat_question(every, {{"user", "Write eight random words."}}, params);
    const auto first = reply_to(asker, question, check_chat);
    question.sample = 1;  // the same request once more
    const auto second = first ? reply_to(asker, question, check_chat) : first;
    found.seed = second && completions_of(*first).front().text == completions_of(*second).front().text;
  }
  found.system = reply_to(asker, chat_question(every, {{"system", "Be short."}, user.front()}, plain), check_chat).has_value();
  ChatParams scored = plain;
  scored.max_tokens = 1;
  scored.top_logprobs = 1;
  const auto shows_prompt = [&](const ChatParams& params, bool echo) {
    const auto reply = reply_to(asker, completion_question(every, "A colour", params, echo), check_completion);
    return reply && !completions_of(*reply).front().prompt_tokens.empty();
  };
  found.echo = shows_prompt(scored, true);
  scored.prompt_logprobs = 1;
  found.prompt_logprobs = shows_prompt(scored, false);
  found.embeddings = reply_to(asker, embedding_question(every, {"a colour"}), check_embedding).has_value();
  return found;
}

}  // namespace retort
