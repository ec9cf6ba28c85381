#include "retort/remote/batches.h"

#include <chrono>
#include <cstdlib>
#include <thread>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/interrupt.h"
#include "retort/base/progress.h"
#include "retort/base/sha256.h"
#include "retort/remote/reply_text.h"
#include "retort/remote/retry.h"

namespace retort {

using nlohmann::json;

void BatchKnobs::describe(Knobs& knobs) {
  knobs("price", price, "what a token costs in a batch, as a part of its live price", between(0.01, 1));
  knobs("poll_seconds", poll_seconds, "seconds between looks at a batch that is at work; the first looks come sooner", above(0));
  knobs("hours", hours, "how long the provider may take; what is not answered then is asked live", between(1, 24 * 7));
  knobs("requests", requests, "the most requests of one batch", at_least(1));
  knobs("bytes", bytes, "the most bytes of one batch's file", at_least(1000));
}

std::string path_on_server(const std::string& endpoint_url, const std::string& path) {
  const size_t host = endpoint_url.find("://");
  const size_t slash = endpoint_url.find('/', host == std::string::npos ? 0 : host + 3);
  return (slash == std::string::npos ? "" : endpoint_url.substr(slash)) + path;
}

BatchLine read_batch_line(const std::string& text) {
  const json line = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto broken = [&] {
    return TeacherError(fmt::format("the batch's output has a line that is no answer: {:.80}", text),
                        "the provider's batch format may have changed; capture without --batch");
  };
  if (!line.is_object() || !line.contains("custom_id") || !line["custom_id"].is_string()) throw broken();
  const std::string id = line["custom_id"];
  BatchLine read;
  const size_t dash = id.find('-');
  if (dash == 0 || dash == std::string::npos || dash > 18 || id.find_first_not_of("0123456789") != dash) throw broken();
  read.at = std::stoll(id.substr(0, dash));
  read.mark = id.substr(dash + 1);
  if (!line.contains("response") || !line["response"].is_object()) return read;
  const json& response = line["response"];
  const json status = response.value("status_code", json(200));
  if (status.is_number_integer() && status.get<int64_t>() == 200 && response.contains("body")) read.body = response["body"];
  return read;
}

namespace {

// One part of the capture's questions, as the provider has it.
struct Sent {
  std::string id, file;
  int64_t from = 0, to = 0, requests = 0;  // questions [from, to), of which so many were sent
  bool done = false;
};
void to_json(json& out, const Sent& s) {
  out = {{"id", s.id}, {"input_file_id", s.file}, {"from", s.from}, {"to", s.to}, {"requests", s.requests}, {"done", s.done}};
}
void from_json(const json& in, Sent& s) {
  in.at("id").get_to(s.id);
  in.at("input_file_id").get_to(s.file);
  in.at("from").get_to(s.from);
  in.at("to").get_to(s.to);
  in.at("requests").get_to(s.requests);
  in.at("done").get_to(s.done);
}

std::vector<std::pair<std::string, std::string>> key_headers(const EndpointKnobs& endpoint) {
  const std::string key = endpoint.key();
  if (key.empty()) return {};
  if (endpoint.key_style == "bearer") return {{"Authorization", "Bearer " + key}};
  return {{"api-key", key}};
}

class BatchClient {
 public:
  BatchClient(const EndpointKnobs& endpoint, const BatchKnobs& knobs, const std::string& state, const std::string& identity)
      : endpoint_(endpoint), knobs_(knobs), state_(state), identity_(identity) {
    if (!file_exists(state)) return;
    const json kept = json::parse(read_file(state), nullptr, /*allow_exceptions=*/false);
    try {
      kept.at("batches").get_to(sent_);
    } catch (const json::exception&) {
      throw DataError(state + ": is not the state of a batch capture", "remove it, if no batch of it is under way at the provider");
    }
    if (kept.value("capture", "") != identity)
      throw ConfigError(state + ": these batches belong to another capture", "finish that one, or remove the file to give its batches up");
  }

  std::vector<Sent>& sent() { return sent_; }
  int64_t next() const { return sent_.empty() ? 0 : sent_.back().to; }
  void keep_state() const {
    write_file(state_, json{{"format", 1}, {"capture", identity_}, {"url", shown_url(endpoint_.url)}, {"batches", sent_}}.dump(2) + "\n");
  }

  void create(const std::string& lines, Sent part, const std::string& server_path) {
    const std::string mark = "retort-" + sha256_of(lines).substr(0, 32);
    const std::string form = fmt::format(
        "--{0}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--{0}\r\nContent-Disposition: form-data; "
        "name=\"file\"; filename=\"capture.jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n{1}\r\n--{0}--\r\n",
        mark, lines);
    part.file = text_of(call("POST", "/files", form, "multipart/form-data; boundary=" + mark), "id", "/files");
    sent_.push_back(part);
    keep_state();  // a kill between here and the next lines leaves a part without an id: adopt() asks the provider about it
    start(sent_.back(), server_path);
  }

  // A part whose batch the provider may or may not have made when we were killed.
  void adopt(Sent& part, const std::string& server_path) {
    const json listed = call("GET", "/batches?limit=100", "", "");
    for (const json& batch : listed.value("data", json::array()))
      if (batch.value("input_file_id", "") == part.file) part.id = batch.value("id", "");
    if (part.id.empty())
      start(part, server_path);
    else
      keep_state();
  }

  json look(const Sent& part) { return call("GET", "/batches/" + part.id, "", ""); }
  std::string download(const std::string& file) { return raw("GET", "/files/" + file + "/content", "", "", int64_t{4} << 30); }

 private:
  void start(Sent& part, const std::string& server_path) {
    const json wish = {{"input_file_id", part.file}, {"endpoint", server_path}, {"completion_window", fmt::format("{:g}h", knobs_.hours)}};
    // Tried once: a reply that was lost may have made the batch, and adopt() finds out.
    part.id = text_of(call("POST", "/batches", wish.dump(), "application/json", /*tries=*/1), "id", "/batches");
    keep_state();
  }

  static std::string text_of(const json& reply, const std::string& key, const std::string& path) {
    if (reply.is_object() && reply.contains(key) && reply[key].is_string()) return reply[key];
    throw TeacherError(fmt::format("{}: the reply has no \"{}\": {:.80}", path, key, reply.dump()),
                       "this endpoint may have no batches; capture without --batch");
  }

  json call(const std::string& method, const std::string& path, const std::string& body, const std::string& type, int64_t tries = 0) {
    const std::string text = raw(method, path, body, type, int64_t{64} << 20, tries);
    const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (value.is_object()) return value;
    throw TeacherError(
        fmt::format("{}: the reply is not a JSON object: {:.60}", shown_url(joined_url(endpoint_.url, path)), one_line(text)),
        "this endpoint may have no batches; capture without --batch");
  }

  std::string raw(const std::string& method, const std::string& path, const std::string& body, const std::string& type, int64_t max_bytes,
                  int64_t tries = 0) {
    if (tries == 0) tries = endpoint_.tries;
    HttpReply reply;
    for (int64_t attempt = 0; attempt < tries; ++attempt) {
      HttpRequest request;
      request.url = joined_url(endpoint_.url, path);
      request.method = method;
      request.body = body;
      request.content_type = type;
      request.headers = key_headers(endpoint_);
      request.connect_seconds = endpoint_.connect_seconds;
      request.stall_seconds = endpoint_.stall_seconds;
      request.total_seconds = std::max(endpoint_.total_seconds, 3600.0);  // these are big files
      request.max_bytes = max_bytes;
      reply = http_.ask(std::move(request));
      if (const std::string key = endpoint_.key(); key.size() >= 8)
        reply.body = without(std::move(reply.body), key);  // a server that repeats what it was sent
      if (reply.status >= 200 && reply.status < 300) return std::move(reply.body);
      if (!worth_another_try(reply) || attempt + 1 == tries) break;
      pause(wait_before_try(attempt + 1, endpoint_.retry_base, endpoint_.retry_cap, reply.retry_after, /*dice=*/1));
    }
    throw TeacherError(
        fmt::format("{} {}: {}", method, shown_url(joined_url(endpoint_.url, path)),
                    reply.status == 0 ? reply.failure : fmt::format("status {}: {:.120}", reply.status, one_line(reply.body))),
        reply.status == 404 ? "this endpoint may have no batches; capture without --batch"
                            : "what is under way goes on at the provider; --resume collects it");
  }

  static std::string one_line(std::string text) {
    for (char& c : text)
      if (c == '\n' || c == '\r') c = ' ';
    return text;
  }

 public:
  static void pause(double seconds) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < until) {
      if (interrupt_requested()) throw Interrupted("interrupted; the batches go on at the provider", "collect them with --resume");
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

 private:
  const EndpointKnobs& endpoint_;
  const BatchKnobs& knobs_;
  std::string state_, identity_;
  HttpClient http_;
  std::vector<Sent> sent_;
};

std::string key_of(const EndpointKnobs& endpoint, const Question& question) {
  return request_key(joined_url(endpoint.url, question.path), question.request, question.sample);
}

bool ended(const std::string& status) {
  return status == "completed" || status == "failed" || status == "expired" || status == "cancelled";
}

}  // namespace

BatchEnd ask_in_batches(const EndpointKnobs& endpoint, const BatchKnobs& knobs, ResponseCache& cache, const NumberedQuestions& questions,
                        const CheckReply& check, const std::string& state, const std::string& identity) {
  if (cache.mode() != CacheMode::read_write)
    throw ConfigError("--batch: answers of a batch go through the cache, which is off", "endpoint.cache_mode = \"read-write\"");
  BatchClient client(endpoint, knobs, state, identity);
  const Budget budget = endpoint.allowance();
  BatchEnd end;
  if (questions.count == 0) return end;
  const std::string server_path = path_on_server(endpoint.url, questions.make(0).path);

  // What is under way already comes first, then new parts until every question was sent once.
  std::vector<int64_t> reservations(client.sent().size(), 0);
  for (Sent& part : client.sent())
    if (part.id.empty()) client.adopt(part, server_path);
  for (int64_t at = client.next(); at < questions.count;) {
    std::string lines;
    Sent part;
    part.from = at;
    Usage worst;
    for (; at < questions.count && part.requests < knobs.requests; ++at) {
      if (!questions.wanted(at)) continue;
      Question question = questions.make(at);
      const std::string key = key_of(endpoint, question);
      if (cache.find(key)) continue;
      question.worst.calls = 1;
      const std::string line = json{{"custom_id", fmt::format("{}-{}", at, key.substr(0, 16))},
                                    {"method", "POST"},
                                    {"url", server_path},
                                    {"body", question.request}}
                                   .dump() +
                               "\n";
      if (part.requests > 0 && static_cast<int64_t>(lines.size() + line.size()) > knobs.bytes) break;
      lines += line;
      ++part.requests;
      worst += question.worst;
    }
    part.to = at;
    if (part.requests == 0) break;
    worst.money = budget.cost(worst) * knobs.price;
    const int64_t reservation = cache.reserve(budget, worst);
    try {
      client.create(lines, part, server_path);
    } catch (...) {
      cache.release(reservation);
      throw;
    }
    reservations.push_back(reservation);
    say(fmt::format("batch {}: {} requests sent", client.sent().back().id, part.requests));
  }

  const auto collect = [&](const Sent& part, const json& batch, int64_t reservation) {
    std::vector<Answered> answers;
    int64_t answered = 0;
    const auto settle = [&](bool last) {
      if (last && reservation != 0) {
        if (answers.empty())
          cache.release(reservation);
        else
          answers.back().reservation = reservation;
      }
      if (!answers.empty()) cache.settle(budget, answers);
      answers.clear();
    };
    if (batch.contains("output_file_id") && batch["output_file_id"].is_string()) {
      const std::string output = client.download(batch["output_file_id"]);
      for (size_t start = 0; start < output.size();) {
        size_t stop = output.find('\n', start);
        if (stop == std::string::npos) stop = output.size();
        const std::string text = output.substr(start, stop - start);
        start = stop + 1;
        if (text.find_first_not_of(" \r") == std::string::npos) continue;
        const BatchLine line = read_batch_line(text);
        if (line.body.is_null() || line.at < part.from || line.at >= part.to) continue;
        const Question question = questions.make(line.at);
        const std::string key = key_of(endpoint, question);
        if (key.compare(0, 16, line.mark) != 0 || cache.find(key)) continue;  // the answer to something else, or collected before
        try {
          Checked checked = check(question, line.body);
          checked.usage.calls = 1;
          checked.usage.money = budget.cost(checked.usage) * knobs.price;
          answers.push_back({key, joined_url(endpoint.url, question.path), question.request, std::move(checked.reply), checked.usage, 0});
          ++answered;
        } catch (const TeacherError&) {
          continue;  // counted as failed below, and asked live
        }
        if (answers.size() == 256) settle(/*last=*/false);
      }
    }
    settle(/*last=*/true);
    end.answered += answered;
    end.failed += part.requests - answered;
    say(fmt::format("batch {}: {}, {} of {} answered{}", part.id, batch.value("status", ""), answered, part.requests,
                    answered < part.requests ? "; the rest is asked live" : ""));
  };

  double wait = std::min(1.0, knobs.poll_seconds);
  for (;;) {
    bool open = false;
    for (size_t i = 0; i < client.sent().size(); ++i) {
      Sent& part = client.sent()[i];
      if (part.done) continue;
      const json batch = client.look(part);
      if (!ended(batch.value("status", ""))) {
        open = true;
        continue;
      }
      collect(part, batch, reservations[i]);
      part.done = true;
      client.keep_state();
    }
    if (!open) break;
    client.pause(wait);
    wait = std::min(knobs.poll_seconds, wait * 1.5);
  }
  end.batches = static_cast<int64_t>(client.sent().size());
  for (const Sent& part : client.sent()) end.sent += part.requests;
  return end;
}

}  // namespace retort
