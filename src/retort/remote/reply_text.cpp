#include "retort/remote/reply_text.h"

#include "retort/base/error.h"
#include "retort/remote/asker.h"

namespace retort {
namespace {

bool is_page(const std::string& body) {
  const size_t first = body.find_first_not_of(" \t\r\n");
  return first != std::string::npos && body[first] == '<';
}

std::string one_line(const std::string& text) {
  std::string line;
  for (const char c : text) {
    const bool blank = static_cast<unsigned char>(c) <= ' ' || c == 127;
    if (blank && (line.empty() || line.back() == ' ')) continue;
    line += blank ? ' ' : c;
    if (line.size() >= 200 && (static_cast<unsigned char>(c) & 0xC0) != 0x80) {  // not within a letter of several bytes
      line.pop_back();
      return line + "…";
    }
  }
  return line;
}

}  // namespace

nlohmann::json json_of(const HttpReply& reply) {
  const std::string& body = reply.body;
  try {
    return nlohmann::json::parse(body);
  } catch (const nlohmann::json::parse_error& error) {
    if (body.find_first_not_of(" \t\r\n") == std::string::npos) throw BrokenReply("an empty reply", true);
    if (is_page(body)) throw BrokenReply("an HTML page instead of JSON", true);
    if (error.byte > body.size()) throw BrokenReply(fmt::format("JSON that breaks off after {} bytes", body.size()), true);
    const size_t at = error.byte > 3 ? error.byte - 3 : 0;
    const std::string near = body.substr(at, 8);
    if (near.find("NaN") != std::string::npos || near.find("nan") != std::string::npos) throw BrokenReply("NaN instead of a number");
    if (near.find("nf") != std::string::npos) throw BrokenReply("an infinite value instead of a number");
    throw BrokenReply(fmt::format("something that is not JSON (byte {} of {})", error.byte, body.size()), true);
  } catch (const nlohmann::json::exception&) {
    throw BrokenReply("JSON with a number beyond all bounds");
  }
}

std::string refusal_of(const std::string& body) {
  if (is_page(body)) return "an HTML page";
  const auto json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return one_line(body.substr(0, 1000));
  const auto text_in = [](const nlohmann::json& value, const char* name) {
    const auto found = value.find(name);
    return found != value.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (!json.is_object()) return {};
  const auto error = json.find("error");
  if (error != json.end() && error->is_object()) return one_line(text_in(*error, "message"));
  for (const char* name : {"error", "message", "detail"}) {
    if (const std::string text = text_in(json, name); !text.empty()) return one_line(text);
  }
  return {};
}

std::string hint_for(int64_t status, const std::string& key_env) {
  switch (status) {
    case 0:
      return "is the server up, and is the URL right?";
    case 401:
    case 403:
      return key_env.empty() ? "the endpoint wants a key: export it and name the variable in key_env"
                             : fmt::format("is the key in {} still valid, and may it use this model?", key_env);
    case 404:
      return "is the URL right (an API's base ends before /chat/completions), and the model's name?";
    case 400:
    case 413:
    case 422:
      return "the endpoint does not take such a request: see what its switches (many_choices, takes_seed, takes_system, length_field, "
             "items) can leave out";
    case 429:
      return "ask more slowly (requests_per_minute, tokens_per_minute, concurrency), or more patiently (tries, retry_cap)";
    default:
      return status >= 300 && status < 400 ? "give the URL that it moved to: keys are not sent on"
                                           : "the server is in trouble: run again later";
  }
}

std::string without(std::string text, const std::string& secret) {
  if (secret.empty()) return text;
  for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) text.replace(at, secret.size(), "[key]");
  return text;
}

}  // namespace retort
