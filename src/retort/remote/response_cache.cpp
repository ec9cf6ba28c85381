#include "retort/remote/response_cache.h"

#include <ctime>
#include <set>

#include <fmt/format.h>
#include <unistd.h>

#include "retort/base/error.h"
#include "retort/remote/cache_file.h"

namespace retort {
namespace {

Usage usage_in(const Rows& rows) { return {rows.integer(0), rows.integer(1), rows.integer(2), rows.real(3)}; }

// As the endpoint said it, or as the prices make it.
Usage priced(const Budget& budget, Usage usage) {
  if (usage.money == 0) usage.money = budget.cost(usage);
  return usage;
}

std::string amount(double value) { return fmt::format("{:.10g}", value); }

// Nothing, or what of the budget the call would break.
std::string objection(const Budget& budget, const Usage& spent, const Usage& in_flight, const Usage& worst) {
  struct Limit {
    const char* name;
    double most, spent, in_flight, worst;
  };
  const auto whole = [](int64_t number) { return static_cast<double>(number); };
  const Limit limits[] = {{"calls", whole(budget.max_calls), whole(spent.calls), whole(in_flight.calls), whole(worst.calls)},
                          {"prompt tokens", whole(budget.max_prompt_tokens), whole(spent.prompt_tokens), whole(in_flight.prompt_tokens),
                           whole(worst.prompt_tokens)},
                          {"completion tokens", whole(budget.max_completion_tokens), whole(spent.completion_tokens),
                           whole(in_flight.completion_tokens), whole(worst.completion_tokens)},
                          {"money", budget.max_money, spent.money, in_flight.money, worst.money}};
  for (const Limit& limit : limits) {
    if (limit.most <= 0 || limit.spent + limit.in_flight + limit.worst <= limit.most * (1 + 1e-12)) continue;
    return fmt::format("budget \"{}\": {}: the limit is {}; {} spent, up to {} in flight, up to {} for this call", budget.name, limit.name,
                       amount(limit.most), amount(limit.spent), amount(limit.in_flight), amount(limit.worst));
  }
  return {};
}

bool limited(const Budget& budget) {
  return budget.max_calls > 0 || budget.max_prompt_tokens > 0 || budget.max_completion_tokens > 0 || budget.max_money > 0;
}

}  // namespace

struct ResponseCache::Body {
  Body(const std::string& path, CacheMode mode) : mode(mode), file(path, /*make=*/true) {}

  CacheMode mode;
  CacheFile file;
  std::string birth = birth_of_process(::getpid());
  std::set<int64_t> mine;  // reservations that are still open

  Statement find{file, "SELECT reply FROM answers WHERE key = ?1"};
  AnswerWriter keep{file};
  Statement book{
      file,
      "INSERT INTO ledger VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET calls = calls + ?2, prompt_tokens = prompt_tokens + ?3, "
      "completion_tokens = completion_tokens + ?4, money = money + ?5"};
  Statement spent{file, "SELECT calls, prompt_tokens, completion_tokens, money FROM ledger WHERE budget = ?1"};
  Statement in_flight{
      file, "SELECT total(calls), total(prompt_tokens), total(completion_tokens), total(money) FROM reservations WHERE budget = ?1"};
  Statement set_aside{file, "INSERT INTO reservations VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7)"};
  Statement let_go{file, "DELETE FROM reservations WHERE id = ?1"};
  Statement owners{file, "SELECT DISTINCT process, birth FROM reservations"};
  Statement bury{file, "DELETE FROM reservations WHERE process = ?1 AND birth = ?2"};

  Usage sum(Statement& of, const std::string& budget) {
    Rows rows = of.rows(budget);
    return rows.next() ? usage_in(rows) : Usage{};
  }

  // What processes that are gone had set aside is free again; if they were answered, they never told.
  void drop_the_dead() {
    std::vector<std::pair<int64_t, std::string>> gone;
    for (Rows rows = owners.rows(); rows.next();) {
      if (birth_of_process(rows.integer(0)) != rows.text(1)) gone.emplace_back(rows.integer(0), rows.text(1));
    }
    for (const auto& [process, born] : gone) bury.run(process, born);
  }
};

ResponseCache::ResponseCache(const std::string& path, CacheMode mode) : body_(std::make_unique<Body>(path, mode)) {}

ResponseCache::~ResponseCache() {
  try {
    while (!body_->mine.empty()) release(*body_->mine.begin());
  } catch (const Error&) {  // they end with this process at the latest
  }
}

CacheMode ResponseCache::mode() const { return body_->mode; }

std::optional<nlohmann::json> ResponseCache::find(const std::string& key) {
  if (body_->mode == CacheMode::off) return {};
  Rows rows = body_->find.rows(key);
  if (rows.next()) {
    const std::string_view text = rows.text(0);
    nlohmann::json reply = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (reply.is_discarded())
      throw DataError(fmt::format("{}: the answer {} is no JSON", body_->file.path(), key), "remove the file, or prune it, and ask again");
    return reply;
  }
  if (body_->mode == CacheMode::replay_only)
    throw TeacherError(
        fmt::format("{}: has no answer to request {}…, and may not ask (replay-only)", body_->file.path(), key.substr(0, 12)),
        "the request differs from those kept: same model, prompt and parameters? Or ask with cache_mode = \"read-write\"");
  return {};
}

int64_t ResponseCache::reserve(const Budget& budget, const Usage& worst) {
  if (!limited(budget)) return 0;
  Body& b = *body_;
  const Usage most = priced(budget, worst);
  Transaction writing(b.file);
  const Usage spent = b.sum(b.spent, budget.name);
  std::string refused = objection(budget, spent, b.sum(b.in_flight, budget.name), most);
  if (!refused.empty()) {
    b.drop_the_dead();
    refused = objection(budget, spent, b.sum(b.in_flight, budget.name), most);
  }
  if (refused.empty())
    b.set_aside.run(budget.name, static_cast<int64_t>(::getpid()), b.birth, most.calls, most.prompt_tokens, most.completion_tokens,
                    most.money);
  const int64_t id = b.file.last_id();
  writing.commit();
  if (!refused.empty()) throw BudgetError(refused, "what was answered is kept: raise the limit and go on, or use another budget name");
  b.mine.insert(id);
  return id;
}

void ResponseCache::release(int64_t reservation) {
  if (body_->mine.erase(reservation) > 0) body_->let_go.run(reservation);
}

void ResponseCache::settle(const Budget& budget, const std::vector<Answered>& answers) {
  if (answers.empty()) return;
  Body& b = *body_;
  const auto now = static_cast<int64_t>(std::time(nullptr));  // for people to read; nothing depends on it
  Usage total;
  Transaction writing(b.file);
  for (const Answered& answer : answers) {
    const Usage usage = priced(budget, answer.usage);
    total += usage;
    if (b.mode == CacheMode::read_write && !answer.key.empty())
      b.keep.write(answer.key, answer.url, answer.request, answer.reply, usage, now);
    if (answer.reservation != 0) b.let_go.run(answer.reservation);
  }
  b.book.run(budget.name, total.calls, total.prompt_tokens, total.completion_tokens, total.money);
  writing.commit();
  for (const Answered& answer : answers) b.mine.erase(answer.reservation);
}

Usage ResponseCache::spent(const std::string& budget) const { return body_->sum(body_->spent, budget); }

}  // namespace retort
