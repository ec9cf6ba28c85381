#include "retort/serve/api.h"

#include <charconv>

#include "retort/base/error.h"
#include "retort/base/sha256.h"

namespace retort {
namespace {
using nlohmann::json;

constexpr size_t kMostText = 1 << 20;  // bytes of a completions request

struct Route {
  const char *method, *path;
};
constexpr Route kRoutes[] = {
    {"GET", "/health"},       {"GET", "/metrics"},        {"GET", "/v1/models"},       {"POST", "/"},
    {"POST", "/v1/classify"}, {"POST", "/v1/embeddings"}, {"POST", "/v1/completions"}, {"POST", "/v1/chat/completions"}};

std::string dumped(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

void append_number(std::string& out, double value, bool exact) {
  char text[40];
  const auto end = exact ? std::to_chars(text, text + sizeof text, value)
                         : std::to_chars(text, text + sizeof text, static_cast<float>(value));
  out.append(text, end.ptr);
}

// [width values], the shortest texts that read back to the same float32 (double where `exact`).
void append_row(std::string& out, const double* values, int64_t width, bool exact) {
  out += '[';
  for (int64_t i = 0; i < width; ++i) {
    if (i) out += ',';
    append_number(out, values[i], exact);
  }
  out += ']';
}

int64_t outputs_of(const Served& served, bool embeddings) {
  return embeddings ? served.embedding_width() : static_cast<int64_t>(served.input().classes.size());
}

Reply busy(const std::string& what) {
  Reply reply = error_reply(503, what + "; try again in a moment", "overloaded");
  reply.retry_after = 1;
  return reply;
}

}  // namespace

void ServeOptions::check() const {
  struct Bound {
    const char* name;
    int64_t value, low, high;
  };
  for (const Bound& b : {Bound{"--port", port, 0, 65535}, Bound{"--max-body", max_body, 1024, int64_t{1} << 31},
                         Bound{"--max-clients", max_clients, 1, 30000}, Bound{"--batch", batch, 1, 65536},
                         Bound{"--max-inputs", max_inputs, 1, 1 << 20}, Bound{"--queue", queue, 1, 1 << 24}})
    if (b.value < b.low || b.value > b.high)
      throw ConfigError(fmt::format("{}: {} is not between {} and {}", b.name, b.value, b.low, b.high),
                        "`retort serve --help` names the defaults");
  if (!(batch_wait_ms >= 0 && batch_wait_ms <= 10000))
    throw ConfigError(fmt::format("--batch-wait-ms: {} is not between 0 and 10000", batch_wait_ms), "2 is the default");
  if (queue < max_inputs)
    throw ConfigError(fmt::format("--queue: {} is less than --max-inputs {}: a full request would never be let in", queue, max_inputs),
                      "let as many rows wait as one request may bring");
  if (max_memory < max_body) throw ConfigError("--max-memory: less than --max-body", "a body must fit in");
}

Reply error_reply(int status, const std::string& message, const std::string& code, const std::string& param) {
  const char* type = status == 401   ? "authentication_error"
                     : status == 403 ? "permission_error"
                     : status == 429 ? "rate_limit_error"
                     : status >= 500 ? "server_error"
                                     : "invalid_request_error";
  Reply reply;
  reply.status = status;
  reply.body = dumped({{"error",
                        {{"message", message},
                         {"type", type},
                         {"param", param.empty() ? json() : json(param)},
                         {"code", code.empty() ? json() : json(code)}}}});
  return reply;
}

bool Lease::hold(int64_t bytes) {
  const int64_t more = bytes - held_;
  if (used_.fetch_add(more) + more > limit_ && more > 0) {
    used_ -= more;
    return false;
  }
  held_ = bytes;
  return true;
}

Api::Api(Served& served, KeyRing keys, const ServeOptions& options)
    : served_(served),
      keys_(std::move(keys)),
      options_(options),
      batcher_(served, options.batch, options.batch_wait_ms / 1000, options.queue, [this](int64_t rows) { metrics_.batch(rows); }) {}

std::optional<Reply> Api::admit(const std::string& method, const std::string& path, std::optional<std::string_view> token, int& key) {
  const char* wants = nullptr;
  for (const Route& route : kRoutes)
    if (path == route.path) wants = route.method;
  // Strangers hear nothing but that they are strangers.
  if (path != "/health") {
    key = keys_.open() ? 0 : token ? keys_.find(*token) : -1;
    if (key < 0)
      return error_reply(401, token ? "the key is not known here" : "a key is needed: Authorization: Bearer …", "invalid_api_key");
  }
  if (!wants)
    return error_reply(404, "there is no such path; GET /v1/models, POST /v1/classify and /v1/embeddings are the ones to start with",
                       "not_found");
  if (method != wants && !(method == "HEAD" && wants == std::string_view("GET"))) {
    Reply reply = error_reply(405, fmt::format("{} is asked with {}", path, wants), "method_not_allowed");
    reply.allow = wants;
    return reply;
  }
  if (method != "POST") return {};
  if (const double seconds = keys_.take(key); seconds > 0) {
    Reply reply = error_reply(429, fmt::format("more than {} requests a minute", keys_.key(key).requests_per_minute),
                              "rate_limit_exceeded");
    reply.retry_after = seconds;
    return reply;
  }
  metrics_.asked_by(keys_.key(key).name);
  return {};
}

Reply Api::get(const std::string& path, int key) const {
  Reply reply;
  if (path == "/health")
    reply.body = dumped({{"status", draining_ ? "draining" : "ok"}});
  else if (path == "/v1/models")
    return models(keys_.key(key));
  else {
    reply.content_type = "text/plain; version=0.0.4";
    reply.body = metrics_.text(batcher_.waiting_rows(), memory_used_);
  }
  return reply;
}

Reply Api::post(const std::string& path, std::string body, int key, Lease& lease) {
  try {
    if (path == "/v1/completions" || path == "/v1/chat/completions") return complete(body, path == "/v1/chat/completions");
    return classify(std::move(body), keys_.key(key), path == "/v1/embeddings", lease);
  } catch (const RequestError& error) {
    return error_reply(400, error.what(), "invalid_value", error.param);
  }
}

Reply Api::classify(std::string body, const ApiKey& key, bool embeddings, Lease& lease) {
  if (embeddings && served_.embedding_width() == 0)
    return error_reply(404, fmt::format("the model {} has no embeddings", served_.name()), "model_not_capable");
  if (embeddings && !key.embeddings) return error_reply(403, "this key does not show embeddings", "not_exposed");
  InputRequest request = parse_inputs(body, served_.input().shape, options_.max_inputs);
  std::string().swap(body);
  if (!request.model.empty() && request.model != served_.name())
    return error_reply(404, fmt::format("there is no model {}; this server has {}", request.model, served_.name()), "model_not_found",
                       "model");
  if (request.raw) prepare_raw(request.numbers, served_.input());
  // An answer is held as numbers and as text.
  const int64_t width = outputs_of(served_, embeddings);
  if (!lease.hold(static_cast<int64_t>(request.numbers.capacity() * sizeof(float)) + request.rows * width * 24))
    return busy("too much is in work");

  BatchJob job;
  job.rows = request.rows;
  job.embeddings = embeddings;
  if (!embeddings) {
    job.exposure = key.exposure;
    job.seeds = noise_seeds(request, key.exposure);
  }
  job.inputs = std::move(request.numbers);
  if (!batcher_.answer(job)) return busy("too many inputs wait");
  if (!job.failure.empty()) return error_reply(500, "the model failed: " + job.failure, "model_failed");
  metrics_.images(job.rows);

  std::string out;
  out.reserve(static_cast<size_t>(job.rows * width) * 14 + 200);
  const double* const values = job.answer.data();
  if (embeddings) {
    out = "{\"object\":\"list\",\"model\":" + dumped(served_.name()) + ",\"data\":[";
    for (int64_t i = 0; i < job.rows; ++i) {
      out += fmt::format("{}{{\"object\":\"embedding\",\"index\":{},\"embedding\":", i ? "," : "", i);
      append_row(out, values + i * width, width, /*exact=*/false);
      out += '}';
    }
    out += "],\"usage\":{\"prompt_tokens\":0,\"total_tokens\":0}}";
  } else {
    const bool labels = key.exposure.kind == Exposure::Kind::labels;
    out = fmt::format("{{\"model\":{},\"exposure\":\"{}\",\"{}\":[", dumped(served_.name()), key.exposure.text(),
                      labels ? "labels" : "probs");
    for (int64_t i = 0; i < job.rows; ++i) {
      if (i) out += ',';
      const double* const row = values + i * width;
      if (labels)
        out += std::to_string(std::max_element(row, row + width) - row);
      else
        append_row(out, row, width, key.exposure.kind == Exposure::Kind::rounded);
    }
    out += "]}";
  }
  Reply reply;
  reply.body = std::move(out);
  return reply;
}

// From the model's weights, the exposure and the prepared input alone: one question has one noise, whoever asks it, however often and in whatever
// company, so that asking again tells nothing; without the weights it cannot be computed.
std::vector<Seed> Api::noise_seeds(const InputRequest& request, const Exposure& exposure) const {
  std::vector<Seed> seeds;
  if (exposure.kind != Exposure::Kind::noised) return seeds;
  const std::string secret = served_.fingerprint() + exposure.text();
  const size_t size = request.numbers.size() / static_cast<size_t>(request.rows);
  std::vector<float> row(size);
  for (size_t i = 0; i < static_cast<size_t>(request.rows); ++i) {
    for (size_t k = 0; k < size; ++k) row[k] = request.numbers[i * size + k] + 0.0f;  // -0 and 0 are one number
    const std::string digest = sha256_of(secret + std::string(reinterpret_cast<const char*>(row.data()), size * sizeof(float)));
    seeds.emplace_back(std::stoull(digest.substr(0, 16), nullptr, 16));
  }
  return seeds;
}

Reply Api::complete(const std::string& body, bool chat) {
  if (body.size() > kMostText)
    return error_reply(413, fmt::format("a completions request is at most {} bytes", kMostText), "body_too_large");
  const json request = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!request.is_object()) throw RequestError("malformed JSON: an object is expected");
  if (request.contains("logit_bias"))
    throw RequestError("\"logit_bias\" is not taken: it would reveal what the exposure of this key withholds", "logit_bias");
  const auto text = served_.complete(request, chat);
  if (!text)
    return error_reply(404, fmt::format("the model {} is a classifier and writes no text: POST /v1/classify", served_.name()),
                       "model_not_capable", "model");
  Reply reply;
  reply.body = dumped(*text);
  return reply;
}

Reply Api::models(const ApiKey& key) const {
  json model = {{"id", served_.name()},
                {"object", "model"},
                {"owned_by", "retort"},
                {"input", served_.input().to_json()},
                {"exposure", key.exposure.text()}};
  model["classes"] = model["input"]["classes"];
  model["input"].erase("classes");
  model["embedding_width"] = key.embeddings ? served_.embedding_width() : 0;
  if (key.exposure.kind == Exposure::Kind::full) model["about"] = served_.about();
  Reply reply;
  reply.body = dumped({{"object", "list"}, {"data", json::array({model})}});
  return reply;
}

}  // namespace retort
