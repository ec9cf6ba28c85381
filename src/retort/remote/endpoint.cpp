// What a recipe says about an endpoint, and what is said about it when it refuses.
#include <cstdlib>

#include "retort/base/error.h"
#include "retort/remote/asker.h"

namespace retort {
namespace {

bool is_variable_name(const std::string& name) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
  return !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) && std::all_of(name.begin(), name.end(), plain);
}

bool starts_with(const std::string& text, const std::string& start) { return text.compare(0, start.size(), start) == 0; }

}  // namespace

void EndpointKnobs::describe(Knobs& knobs) {
  knobs("url", url, "where to ask: the classifier's URL, or an API's base such as https://host/v1");
  knobs("api", api, "what it speaks; classifier: {\"inputs\"} -> {\"probs\" | \"labels\" | \"scores\"}; the others as OpenAI's API",
        one_of({"classifier", "chat", "completions", "embeddings"}));
  knobs("model", model, "name of the model where the endpoint has several");
  knobs("key_env", key_env, "name of the environment variable that holds the key; no key when empty");
  knobs("key_style", key_style, "header that carries it; bearer: Authorization, api-key: as Azure wants it", one_of({"bearer", "api-key"}));
  knobs("cache", cache, "file that keeps every answer, shared between runs");
  knobs("cache_mode", cache_mode, "off: ask always; replay-only: a question that was never asked is an error",
        one_of({"off", "read-write", "replay-only"}));
  knobs("concurrency", concurrency, "most requests in flight; fewer while the server says that they are too many", between(1, 4096));
  knobs("items", items, "inputs a request (classifier, embeddings)", between(1, 65536));
  knobs("tries", tries, "how often one request is tried", between(1, 100));
  knobs("requests_per_minute", requests_per_minute, "most requests a minute; 0: no limit", at_least(0));
  knobs("tokens_per_minute", tokens_per_minute, "most tokens a minute, both ways; 0: no limit", at_least(0));
  knobs("retry_base", retry_base, "seconds before the second try, doubled for each further one", above(0));
  knobs("retry_cap", retry_cap, "most seconds between two tries", above(0));
  knobs("connect_seconds", connect_seconds, "most seconds until a connection stands", above(0));
  knobs("stall_seconds", stall_seconds, "most seconds without a byte: of thought before the answer, and within it", above(0));
  knobs("total_seconds", total_seconds, "most seconds for one request", above(0));
  knobs("budget", budget, "name under which spending is booked in the cache; runs of one name share its limits");
  knobs("max_calls", max_calls, "most calls; 0: no limit", at_least(0));
  knobs("max_prompt_tokens", max_prompt_tokens, "most prompt tokens; 0: no limit", at_least(0));
  knobs("max_completion_tokens", max_completion_tokens, "most completion tokens; 0: no limit", at_least(0));
  knobs("max_money", max_money, "most money, in the currency of the prices; 0: no limit", at_least(0));
  knobs("price_prompt", price_prompt, "price of a million prompt tokens", at_least(0));
  knobs("price_completion", price_completion, "price of a million completion tokens", at_least(0));
  knobs("price_call", price_call, "price of a call", at_least(0));
  knobs("many_choices", many_choices, "whether the server takes n > 1; n calls otherwise");
  knobs("takes_seed", takes_seed, "whether the server takes a seed");
  knobs("takes_system", takes_system, "whether the server takes system messages; put before the user's otherwise");
  knobs("length_field", length_field, "what the server calls the longest completion", one_of({"max_tokens", "max_completion_tokens"}));
}

void EndpointKnobs::check() const {
  if (url.empty()) throw ConfigError("endpoint.url: there is none", "url = \"https://host/v1\"");
  if (!starts_with(url, "http://") && !starts_with(url, "https://"))
    throw ConfigError(fmt::format("endpoint.url: '{}' is not a web address", shown_url(url)),
                      "it begins with https:// (or http:// for a server of your own)");
  const size_t host = url.find("://") + 3;
  if (url.substr(host, url.find_first_of("/?", host) - host).find('@') != std::string::npos) {
    throw ConfigError("endpoint.url: holds a name or a password", "put the secret into an environment variable and name that in key_env");
  }
  if (url.find_first_of("/?", host) == host || host == url.size())
    throw ConfigError(fmt::format("endpoint.url: '{}' names no host", shown_url(url)), "url = \"https://host/v1\"");
  if (std::any_of(url.begin(), url.end(), [](unsigned char c) { return c <= ' '; }))
    throw ConfigError("endpoint.url: holds a space or a control character", "write a space as %20");
  key();
  cache_mode_from(cache_mode);
  const bool priced = price_prompt > 0 || price_completion > 0 || price_call > 0;
  if (max_money > 0 && !priced)
    throw ConfigError("endpoint.max_money: nothing has a price", "say price_prompt and price_completion (a million tokens) or price_call");
  if (priced && max_money == 0 && max_calls == 0 && max_prompt_tokens == 0 && max_completion_tokens == 0) {
    throw ConfigError("endpoint: calls cost money and nothing limits them", "set max_money, or max_calls");
  }
}

std::string EndpointKnobs::key() const {
  if (key_env.empty()) return {};
  // What stands there may be the key itself by mistake: it is not repeated.
  if (!is_variable_name(key_env))
    throw ConfigError("endpoint.key_env: not the name of an environment variable",
                      "export the key under a name, and give that name: key_env = \"MY_KEY\"");
  const char* const value = std::getenv(key_env.c_str());
  std::string secret = value ? value : "";
  while (!secret.empty() && std::isspace(static_cast<unsigned char>(secret.back()))) secret.pop_back();
  if (secret.empty())
    throw ConfigError(fmt::format("endpoint.key_env: the environment variable {} is not set", key_env),
                      fmt::format("export {}=…", key_env));
  const auto unfit = [](unsigned char c) { return c <= ' ' || c >= 127; };
  if (std::any_of(secret.begin(), secret.end(), unfit))
    throw ConfigError(fmt::format("endpoint.key_env: what {} holds cannot be a key: it has blanks or special characters", key_env),
                      "export the key alone");
  return secret;
}

Budget EndpointKnobs::allowance() const {
  return {budget, max_calls, max_prompt_tokens, max_completion_tokens, max_money, price_prompt, price_completion, price_call};
}

std::string joined_url(const std::string& url, const std::string& path) {
  const size_t query = url.find('?');
  std::string base = url.substr(0, query);
  if (!path.empty()) {
    while (!base.empty() && base.back() == '/') base.pop_back();
  }
  return base + path + (query == std::string::npos ? "" : url.substr(query));
}

std::string shown_url(const std::string& url) { return url.substr(0, url.find('?')); }

}  // namespace retort
