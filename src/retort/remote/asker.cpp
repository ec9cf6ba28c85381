#include "retort/remote/asker.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>
#include <unordered_map>

#include "retort/base/interrupt.h"
#include "retort/base/random.h"
#include "retort/remote/limits.h"
#include "retort/remote/reply_text.h"
#include "retort/remote/retry.h"

namespace retort {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr double kPatience = 0.25;     // seconds until an interrupt is noticed
constexpr size_t kHitsAtOnce = 256;    // cached answers handed over before the wire is looked at again
constexpr size_t kTwinsAtOnce = 4096;  // questions that wait for the answer to an equal one

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Flight {
  Question question;
  std::string key;
  int64_t reservation = 0, failed = 0;
  double started = 0, due = 0;
};

int64_t tokens(const Usage& usage) { return usage.prompt_tokens + usage.completion_tokens; }

}  // namespace

struct Asker::Body {
  EndpointKnobs knobs;
  Budget budget;
  std::string secret;
  ResponseCache cache;
  HttpClient http;
  Width width;
  TokenBucket requests, tokens;
  Dice dice{Seed(std::random_device()())};  // only of waiting times
  AskProgress progress;
  double pause_until = 0;  // the server asked for it

  explicit Body(EndpointKnobs given)
      : knobs((given.check(), std::move(given))),
        budget(knobs.allowance()),
        secret(knobs.key()),
        cache(knobs.cache, cache_mode_from(knobs.cache_mode)),
        width(knobs.concurrency),
        requests(static_cast<double>(knobs.requests_per_minute)),
        tokens(static_cast<double>(knobs.tokens_per_minute)) {}

  HttpRequest request_for(const Question& question) const {
    HttpRequest request;
    request.url = joined_url(knobs.url, question.path);
    request.body = question.request.dump();
    if (!secret.empty())
      request.headers = {knobs.key_style == "api-key" ? std::pair{std::string("api-key"), secret}
                                                      : std::pair{std::string("Authorization"), "Bearer " + secret}};
    request.connect_seconds = knobs.connect_seconds;
    request.stall_seconds = knobs.stall_seconds;
    request.total_seconds = knobs.total_seconds;
    return request;
  }
};

namespace {

// One call of Asker::ask. A question goes: next -> cache -> limits -> budget -> wire -> check -> settled -> answered; back to the limits when it is tried again.
template <class Shared>
class Asking {
 public:
  using Next = std::function<std::optional<Question>()>;
  using Deliver = std::function<void(const Question&, const nlohmann::json&, bool)>;
  Asking(Shared& shared, const Next& next, const CheckReply& check, const Deliver& deliver)
      : b(shared), next_(next), check_(check), deliver_(deliver) {}

  void run() {
    while (true) {
      guarded([&] { send(); });
      if (flying_ == 0 && (error_ || (ended_ && waiting_.empty() && !held_))) break;
      b.http.pump(patience());
      guarded([&] { take(); });
    }
    b.progress.in_flight = 0;
    if (error_) std::rethrow_exception(error_);
  }

 private:
  // The first error stops all asking; what is in flight is still waited for and kept.
  template <class Action>
  void guarded(const Action& action) {
    try {
      action();
    } catch (...) {
      if (!error_) error_ = std::current_exception();
    }
  }

  void send() {
    more_at_once_ = false;
    while (!error_) {
      if (interrupt_requested())
        throw Interrupted(fmt::format("{}: interrupted after {} answers", name(), b.progress.answered),
                          keeps() ? "run again to go on: what was answered is kept" : "");
      const double time = now();
      b.progress.concurrency = b.width.now();
      if (flying_ >= b.width.now() || time < b.pause_until) return;
      std::optional<Flight> flight = again(time);
      if (!flight) {
        if (held_ || flying_ + static_cast<int64_t>(waiting_.size()) >= b.width.now() || twins_ >= kTwinsAtOnce) return;
        flight = fresh();
      }
      if (!flight || !launch(std::move(*flight), time)) return;
    }
  }

  // What waits and is due: first what was held back by a limit, then second tries.
  std::optional<Flight> again(double time) {
    std::optional<Flight> flight;
    if (held_) {
      if (time < held_until_) return {};
      flight.swap(held_);
      return flight;
    }
    const auto first = std::min_element(waiting_.begin(), waiting_.end(), [](const Flight& a, const Flight& c) { return a.due < c.due; });
    if (first == waiting_.end() || time < first->due) return {};
    flight = std::move(*first);
    waiting_.erase(first);
    return flight;
  }

  // The next question that nobody has answered yet.
  std::optional<Flight> fresh() {
    for (size_t hits = 0; !ended_; ++hits) {
      if (hits >= kHitsAtOnce) {
        more_at_once_ = true;
        return {};
      }
      std::optional<Question> question = next_();
      if (!question) {
        ended_ = true;
        return {};
      }
      question->worst.calls = 1;
      question->worst.money = b.budget.cost(question->worst);
      Flight flight{std::move(*question), {}};
      flight.key = request_key(joined_url(b.knobs.url, flight.question.path), flight.question.request, flight.question.sample);
      if (keeps()) {
        if (const auto equal = asked_.find(flight.key); equal != asked_.end()) {
          equal->second.push_back(std::move(flight.question));
          if (++twins_ >= kTwinsAtOnce) return {};
          continue;
        }
        if (const auto kept = b.cache.find(flight.key)) {
          ++b.progress.answered;
          ++b.progress.from_cache;
          deliver_(flight.question, *kept, true);
          continue;
        }
        asked_[flight.key];
      }
      return flight;
    }
    return {};
  }

  bool launch(Flight flight, double time) {
    const auto amount = static_cast<double>(tokens(flight.question.worst));
    const double wait = std::max(b.requests.wait(1, time), b.tokens.wait(amount, time));
    if (wait > 0) {
      held_ = std::move(flight);
      held_until_ = time + wait;
      return false;
    }
    try {
      flight.reservation = b.cache.reserve(b.budget, flight.question.worst);
    } catch (const BudgetError&) {
      if (flying_ == 0) throw;
      held_ = std::move(flight);  // what is in flight may cost less than its worst
      held_until_ = kNever;
      return false;
    }
    b.requests.take(1, time);
    b.tokens.take(amount, time);
    flight.started = time;
    ++flying_;
    b.progress.in_flight = flying_;
    auto shared = std::make_shared<Flight>(std::move(flight));
    HttpRequest request = b.request_for(shared->question);
    b.http.start(std::move(request), [this, shared](HttpReply reply) { come_.emplace_back(std::move(*shared), std::move(reply)); });
    return true;
  }

  double patience() const {
    if (more_at_once_) return 0;
    const int64_t width = b.width.now();
    if (error_ || flying_ >= width) return kPatience;
    const double time = now();
    double due = held_ ? held_until_ : kNever;
    if (!held_) {
      for (const Flight& flight : waiting_) due = std::min(due, flight.due);
      if (!ended_ && flying_ + static_cast<int64_t>(waiting_.size()) < width && twins_ < kTwinsAtOnce) due = 0;
    }
    return std::clamp(std::max(due, b.pause_until) - time, 0.0, kPatience);
  }

  // What one pump brought: judged, settled in one transaction, handed over.
  void take() {
    if (come_.empty()) return;
    std::vector<std::pair<Flight, HttpReply>> come;
    come.swap(come_);
    flying_ -= static_cast<int64_t>(come.size());
    b.progress.in_flight = flying_;
    if (held_ && held_until_ == kNever) held_until_ = 0;
    std::vector<Answered> paid;
    std::vector<Question> good;  // the first ones of `paid`
    std::vector<Answered> unusable;
    for (auto& [flight, reply] : come) guarded([&, &f = flight, &r = reply] { judge(f, r, paid, good, unusable); });
    const size_t answers = paid.size();
    paid.insert(paid.end(), std::make_move_iterator(unusable.begin()), std::make_move_iterator(unusable.end()));
    if (!paid.empty()) b.cache.settle(b.budget, paid);
    for (const Answered& one : paid) b.progress.spent += one.usage;
    for (size_t i = 0; i < answers; ++i) {
      std::vector<Question> twins;
      if (const auto found = asked_.find(paid[i].key); found != asked_.end()) {
        twins = std::move(found->second);
        asked_.erase(found);
        twins_ -= twins.size();
      }
      b.progress.answered += 1 + static_cast<int64_t>(twins.size());
      b.progress.from_cache += static_cast<int64_t>(twins.size());
      guarded([&] { deliver_(good[i], paid[i].reply, false); });
      for (const Question& twin : twins) guarded([&] { deliver_(twin, paid[i].reply, true); });
    }
  }

  void judge(Flight& flight, HttpReply& reply, std::vector<Answered>& paid, std::vector<Question>& good, std::vector<Answered>& unusable) {
    const double time = now();
    const Question& question = flight.question;
    if (reply.status >= 200 && reply.status < 300) {
      b.width.good();
      Answered answer{flight.key, joined_url(b.knobs.url, question.path), question.request, {}, question.worst, flight.reservation};
      try {
        if (b.secret.size() >= 8) reply.body = without(std::move(reply.body), b.secret);  // a server that repeats what it was sent
        Checked checked = check_(question, json_of(reply));
        answer.reply = std::move(checked.reply);
        answer.usage = checked.usage;
        answer.usage.calls = 1;
        answer.usage.money = 0;
        answer.usage.money = b.budget.cost(answer.usage);
        b.tokens.give_back(static_cast<double>(tokens(question.worst) - tokens(answer.usage)));
        paid.push_back(std::move(answer));
        good.push_back(std::move(flight.question));
      } catch (const BrokenReply& broken) {
        answer.key.clear();  // booked, not kept
        unusable.push_back(std::move(answer));
        if (!try_again(flight, broken.again, -1)) {
          throw BrokenReply(fmt::format("{}: answered with {}{}", name(), without(broken.what(), b.secret), tries(flight)));
        }
      }
      return;
    }
    b.cache.release(flight.reservation);
    b.tokens.give_back(static_cast<double>(tokens(question.worst)));
    if (reply.status == 429 || reply.status == 503) {
      b.width.refused(flight.started, time);
      if (reply.retry_after >= 0 && reply.retry_after <= kLongestWait) b.pause_until = std::max(b.pause_until, time + reply.retry_after);
    }
    if (try_again(flight, worth_another_try(reply), reply.retry_after)) return;
    throw refusal(flight, reply);
  }

  bool try_again(Flight& flight, bool worth, double retry_after) {
    ++flight.failed;
    if (!worth || flight.failed >= b.knobs.tries || error_) return false;
    flight.due = now() + wait_before_try(flight.failed, b.knobs.retry_base, b.knobs.retry_cap, retry_after, b.dice.uniform(0.5, 1.5));
    flight.reservation = 0;
    waiting_.push_back(std::move(flight));
    ++b.progress.retries;
    return true;
  }

  EndpointError refusal(const Flight& flight, const HttpReply& reply) const {
    std::string what = reply.failure;
    if (reply.status != 0) {
      const std::string status = name_of_status(reply.status), said = refusal_of(reply.body);
      what = fmt::format("answered {}{}", reply.status, status.empty() ? "" : " (" + status + ")");
      if (!said.empty()) what += ": " + said;
      if (reply.retry_after > kLongestWait) what += fmt::format(", and asks to wait {:.0f} s", reply.retry_after);
    }
    std::string hint = hint_for(reply.status, b.knobs.key_env);
    if (keeps() && b.progress.answered > 0) hint += "; run again to go on: what was answered is kept";
    return EndpointError(reply.status, without(fmt::format("{}: {}{}", name(), what, tries(flight)), b.secret), hint);
  }

  std::string tries(const Flight& flight) const { return flight.failed > 1 ? fmt::format(" ({} tries)", flight.failed) : ""; }
  std::string name() const { return shown_url(b.knobs.url); }
  bool keeps() const { return b.cache.mode() != CacheMode::off; }

  Shared& b;
  const Next& next_;
  const CheckReply& check_;
  const Deliver& deliver_;
  std::vector<std::pair<Flight, HttpReply>> come_;  // since the last take()
  std::vector<Flight> waiting_;                     // for another try
  std::optional<Flight> held_;                      // by a limit or the budget
  double held_until_ = 0;
  std::unordered_map<std::string, std::vector<Question>> asked_;  // by key: equal questions that wait for the same answer
  size_t twins_ = 0;
  int64_t flying_ = 0;
  bool ended_ = false, more_at_once_ = false;
  std::exception_ptr error_;
};

}  // namespace

Asker::Asker(EndpointKnobs knobs) : body_(std::make_unique<Body>(std::move(knobs))) {}
Asker::~Asker() = default;
const EndpointKnobs& Asker::knobs() const { return body_->knobs; }
ResponseCache& Asker::cache() { return body_->cache; }
const AskProgress& Asker::progress() const { return body_->progress; }

void Asker::ask(const std::function<std::optional<Question>()>& next, const CheckReply& check,
                const std::function<void(const Question&, const nlohmann::json& reply, bool from_cache)>& answered) {
  Asking<Body>(*body_, next, check, answered).run();
}

nlohmann::json Asker::ask(const Question& question, const CheckReply& check) {
  nlohmann::json reply;
  bool asked = false;
  ask([&]() -> std::optional<Question> { return std::exchange(asked, true) ? std::optional<Question>() : question; }, check,
      [&](const Question&, const nlohmann::json& come, bool) { reply = come; });
  return reply;
}

}  // namespace retort
