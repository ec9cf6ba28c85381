#include "retort/teachers/capture_job.h"

#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/base/interrupt.h"
#include "retort/base/progress.h"

namespace retort {

using nlohmann::json;

namespace {

json usage_json(const Usage& usage) {
  return {{"calls", usage.calls},
          {"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"money", usage.money}};
}

std::string usage_text(const Usage& usage) {
  std::string text = fmt::format("{} calls", with_commas(usage.calls));
  if (usage.prompt_tokens + usage.completion_tokens > 0)
    text += fmt::format(", {} prompt and {} completion tokens", with_commas(usage.prompt_tokens), with_commas(usage.completion_tokens));
  if (usage.money > 0) text += fmt::format(", money {:.4g}", usage.money);
  return text;
}

std::string time_text(double seconds) {
  if (seconds < 120) return fmt::format("{:.3g} s", seconds);
  if (seconds < 7200) return fmt::format("{:.3g} min", seconds / 60);
  return fmt::format("{:.3g} h", seconds / 3600);
}

}  // namespace

json CaptureEstimate::to_json() const {
  return {{"samples", samples},           {"stored", stored},         {"from_cache", kept}, {"worst", usage_json(worst)},
          {"likely", usage_json(likely)}, {"paid_calls", paid_calls}, {"seconds", seconds}, {"bound", bound}};
}

std::string CaptureEstimate::text() const {
  std::string text = fmt::format(
      "samples   {}, of which {} are stored\ncache     answers {} of the questions\nat worst  {}\nlikely    {}\n", with_commas(samples),
      with_commas(stored), with_commas(kept), usage_text(worst), usage_text(likely));
  if (likely.prompt_tokens + likely.completion_tokens > 0)
    text += paid_calls > 0 ? fmt::format("          (tokens as in the {} calls paid so far)\n", with_commas(paid_calls))
                           : "          (four bytes a token, half of max_tokens a completion)\n";
  return text + fmt::format("time      {} (bound by {})\n", time_text(seconds), bound);
}

CaptureEstimate estimate_capture(const CapturePlan& plan, const EndpointKnobs& endpoint, ResponseCache* cache, const HasId& has,
                                 double latency, double price) {
  CaptureEstimate estimate;
  estimate.samples = plan.samples();
  const Budget budget = endpoint.allowance();
  int64_t calls = 0;  // the asker counts them itself
  const bool keeps = cache != nullptr && cache->mode() != CacheMode::off;
  for (int64_t at = 0; at < plan.questions(); ++at) {
    if (plan.stored(at, has)) continue;
    const Question question = plan.question(at);
    if (keeps && cache->find(request_key(joined_url(endpoint.url, question.path), question.request, question.sample)))
      ++estimate.kept;
    else
      estimate.worst += question.worst, ++calls;
  }
  estimate.worst.calls = calls;
  estimate.worst.money = budget.cost(estimate.worst) * price;

  Usage& likely = estimate.likely;
  const Usage paid = cache != nullptr ? cache->spent(budget.name) : Usage();
  likely.calls = estimate.worst.calls;
  if (paid.calls >= 10 && paid.prompt_tokens > 0) {
    estimate.paid_calls = paid.calls;
    const double calls = static_cast<double>(likely.calls) / static_cast<double>(paid.calls);
    likely.prompt_tokens = std::llround(calls * static_cast<double>(paid.prompt_tokens));
    likely.completion_tokens = std::llround(calls * static_cast<double>(paid.completion_tokens));
  } else {
    likely.prompt_tokens = (estimate.worst.prompt_tokens + 3) / 4;
    likely.completion_tokens = (estimate.worst.completion_tokens + 1) / 2;
  }
  likely.prompt_tokens = std::min(likely.prompt_tokens, estimate.worst.prompt_tokens);
  likely.completion_tokens = std::min(likely.completion_tokens, estimate.worst.completion_tokens);
  likely.money = budget.cost(likely) * price;

  const double asked = static_cast<double>(likely.calls);
  const auto slower = [&](double seconds, const char* bound) {
    if (seconds > estimate.seconds || estimate.bound.empty()) estimate.seconds = seconds, estimate.bound = bound;
  };
  slower(std::ceil(asked / static_cast<double>(endpoint.concurrency)) * latency, "concurrency");
  if (endpoint.requests_per_minute > 0) slower(60 * asked / static_cast<double>(endpoint.requests_per_minute), "requests a minute");
  if (endpoint.tokens_per_minute > 0)
    slower(60 * static_cast<double>(likely.prompt_tokens + likely.completion_tokens) / static_cast<double>(endpoint.tokens_per_minute),
           "tokens a minute");
  return estimate;
}

json CaptureEnd::to_json() const {
  return {{"samples", samples},          {"had", had},           {"stored", stored},
          {"missing", samples - stored}, {"answered", answered}, {"from_cache", from_cache},
          {"spent", usage_json(spent)},  {"seconds", seconds}};
}

std::string CaptureEnd::text(const std::string& store) const {
  std::string text = fmt::format("{}: {} samples, {} of them new, in {}\n", store, with_commas(stored), with_commas(stored - had),
                                 time_text(seconds));
  if (answered + from_cache > 0)
    text += fmt::format("spent {}; {} answers came from the cache\n", usage_text(spent), with_commas(from_cache));
  return text;
}

namespace {

// Fills `end` while it lives, and makes sure that a failure says what is left.
class Attempt {
 public:
  Attempt(CaptureEnd& end, SignalWriter& writer, int64_t samples) : end_(end), writer_(writer), start_(std::chrono::steady_clock::now()) {
    end.samples = samples;
    end.had = writer.count();
  }

  template <class Work>
  void run(const Work& work) {
    try {
      work();
      writer_.seal();
    } catch (const BudgetError& error) {
      writer_.flush();
      throw BudgetError(left(error.what()), "raise that limit (--set endpoint.max_…), or name another budget, and go on with --resume");
    } catch (const Interrupted&) {
      writer_.flush();
      throw Interrupted(left("capture interrupted"), "go on with --resume");
    } catch (const TeacherError& error) {
      writer_.flush();
      throw TeacherError(left(error.what()),
                         error.hint().empty() ? "when it is mended, go on with --resume" : error.hint() + "; then go on with --resume");
    }
    end_.stored = writer_.count();
    end_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::string left(const std::string& line) const {
    return fmt::format("{}; {} of {} samples are stored, {} are missing", line, with_commas(writer_.count()), with_commas(end_.samples),
                       with_commas(end_.samples - writer_.count()));
  }
  CaptureEnd& end_;
  SignalWriter& writer_;
  std::chrono::steady_clock::time_point start_;
};

std::string progress_note(const AskProgress& progress) {
  std::string note = fmt::format("{} in flight", progress.in_flight);
  if (progress.from_cache > 0) note += fmt::format(", {} from the cache", progress.from_cache);
  if (progress.retries > 0) note += fmt::format(", {} retries", progress.retries);
  if (progress.spent.prompt_tokens + progress.spent.completion_tokens > 0)
    note += fmt::format(", {} tokens", with_commas(progress.spent.prompt_tokens + progress.spent.completion_tokens));
  if (progress.spent.money > 0) note += fmt::format(", money {:.4g}", progress.spent.money);
  return note;
}

}  // namespace

CaptureEnd capture_over_wire(CapturePlan& plan, Asker& asker, SignalWriter& writer) {
  CaptureEnd end;
  Attempt attempt(end, writer, plan.samples());
  Progress shown("capture", plan.samples());
  const AskProgress before = asker.progress();
  const HasId has = [&](int64_t id) { return writer.has(id); };
  attempt.run([&] {
    int64_t at = 0;
    asker.ask(
        [&]() -> std::optional<Question> {
          for (; at < plan.questions(); ++at)
            if (!plan.stored(at, has)) return plan.question(at++);
          return std::nullopt;
        },
        [&](const Question& question, const json& body) { return plan.check(question, body); },
        [&](const Question& question, const json& reply, bool from_cache) {
          from_cache ? ++end.from_cache : ++end.answered;
          plan.keep(writer, question.tag, reply);
          shown.advance_to(writer.count(), progress_note(asker.progress()));
        });
  });
  const Usage& now = asker.progress().spent;
  end.spent = {now.calls - before.spent.calls, now.prompt_tokens - before.spent.prompt_tokens,
               now.completion_tokens - before.spent.completion_tokens, now.money - before.spent.money};
  shown.finish();
  return end;
}

CaptureEnd capture_in_process(Teacher& teacher, const Dataset& data, const CaptureOptions& options, SignalWriter& writer) {
  CaptureEnd end;
  Wanted wanted;
  wanted.logits = options.logits;
  wanted.labels = options.labels;
  wanted.topk = options.topk;
  wanted.features = options.features;
  require_access(teacher, access_for(wanted), "this capture");
  Attempt attempt(end, writer, data.size());
  Progress shown("capture", data.size());
  teacher.serve(data);  // so that what is stored has the bits of what a live teacher would answer, whatever was stored before
  const int64_t* ids = data.ids.data_ptr<int64_t>();
  attempt.run([&] {
    for (int64_t first = 0; first < data.size(); first += options.batch) {
      if (interrupt_requested()) throw Interrupted("capture interrupted");
      const int64_t last = std::min(first + options.batch, data.size());
      std::vector<int64_t> rows;
      for (int64_t row = first; row < last; ++row)
        if (!writer.has(ids[row])) rows.push_back(row);
      if (rows.empty()) continue;
      const Dataset part = data.take(at::tensor(rows, at::kLong));
      writer.append(part.ids, teacher.ask(part.ids, prepared_inputs(part), /*repeats=*/true, wanted));
      shown.advance_to(writer.count());
    }
  });
  teacher.serve({});
  shown.finish();
  return end;
}

NumberedQuestions numbered(const CapturePlan& plan, HasId has) {
  return {plan.questions(), [&plan](int64_t at) { return plan.question(at); },
          [&plan, has = std::move(has)](int64_t at) { return !plan.stored(at, has); }};
}

}  // namespace retort
