#include "retort/teachers/capture_plan.h"

#include <cstdio>
#include <map>

#include <fmt/format.h>

#include "retort/base/error.h"
#include "retort/teachers/kept_answers.h"

namespace retort {

using nlohmann::json;

Shard Shard::from(const std::string& text) {
  Shard shard;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%ld/%ld%c", &shard.index, &shard.count, &rest) != 2 || shard.count < 1 || shard.index < 0 ||
      shard.index >= shard.count)
    throw ConfigError(fmt::format("--shard {}: expected i/n with 0 <= i < n", text), "the first of four is --shard 0/4");
  return shard;
}

std::vector<int64_t> Shard::rows(int64_t total) const {
  std::vector<int64_t> mine;
  for (int64_t row = index; row < total; row += count) mine.push_back(row);
  return mine;
}

void TextKnobs::describe(Knobs& knobs) {
  knobs("prompts", prompts,
        "file of prompts for chat, completions or embeddings: .jsonl with \"prompt\" or \"messages\" a line, else one text a line");
  knobs("system", system, "system message before every prompt; empty for none");
  knobs("samples", samples, "completions of every prompt", at_least(1));
  knobs("max_tokens", max_tokens, "the most tokens of a completion", at_least(1));
  knobs("temperature", temperature, "of the endpoint's sampling", at_least(0));
  knobs("top_p", top_p, "of the endpoint's sampling", between(0, 1));
  knobs("seed", seed, "of the endpoint's sampling; -1 for none", at_least(-1));
  knobs("stop", stop, "texts that end a completion");
}

void CaptureKnobs::describe(Knobs& knobs) {
  knobs("part", part, "which rows of the data; train: with those whose labels were taken away; all: every part",
        one_of({"train", "validation", "test", "all"}));
  knobs("latency", latency, "seconds that --dry-run takes a call to last", above(0));
}

namespace {

class ClassifierPlan : public CapturePlan {
 public:
  ClassifierPlan(const Dataset& data, const EndpointKnobs& endpoint, const CaptureOptions& options) : data_(data), endpoint_(endpoint) {
    if (!options.features.empty()) throw ConfigError("capture.features: an endpoint does not show its features", "leave them out");
    wanted_.logits = options.logits;
    wanted_.labels = options.labels;
    wanted_.topk = options.topk;
    const bool half = options.precision == "fp16";
    header_.classes = data.classes();
    header_.columns.push_back(signal_columns::ids());
    if (options.logits) header_.columns.push_back(signal_columns::logits(header_.classes, half));
    if (options.labels) header_.columns.push_back(signal_columns::labels());
    if (options.topk > header_.classes)
      throw ConfigError(fmt::format("capture.topk is {}, of {} classes", options.topk, header_.classes),
                        "at most as many as there are classes");
    if (options.topk > 0 && options.pack_topk) header_.columns.push_back(signal_columns::packed_topk(options.topk, header_.classes));
    if (options.topk > 0 && !options.pack_topk)
      for (const SignalColumn& column : signal_columns::topk(options.topk, half)) header_.columns.push_back(column);
    if (header_.columns.size() == 1) throw ConfigError("[capture]: logits, labels and topk are all off", "switch one of them on");
    header_.teacher = endpoint.model.empty() ? shown_url(endpoint.url) : endpoint.model + " at " + shown_url(endpoint.url);
    header_.data = data.name;
    header_.input = data.spec.to_json();
    inputs_ = prepared_inputs(data).to(at::kFloat).reshape({data.size(), -1}).contiguous();
  }
  const SignalHeader& header() const override { return header_; }
  int64_t samples() const override { return data_.size(); }
  int64_t questions() const override { return (data_.size() + endpoint_.items - 1) / endpoint_.items; }

  Question question(int64_t at) const override {
    const auto [first, last] = span(at);
    const int64_t width = inputs_.size(1);
    std::vector<std::vector<float>> rows;
    for (int64_t row = first; row < last; ++row) {
      const float* start = inputs_.data_ptr<float>() + row * width;
      rows.emplace_back(start, start + width);
    }
    Question question = classifier_question(rows);
    if (!endpoint_.model.empty()) question.request["model"] = endpoint_.model;
    question.tag = at;
    return question;
  }

  bool stored(int64_t at, const HasId& has) const override {
    const auto [first, last] = span(at);
    const int64_t* ids = data_.ids.data_ptr<int64_t>();
    return std::all_of(ids + first, ids + last, has);
  }

  Checked check(const Question& question, const json& body) const override { return check_classifier(question, body); }

  void keep(SignalWriter& writer, int64_t at, const json& reply) override {
    const auto [first, last] = span(at);
    Signals raw = said(reply, last - first);
    std::vector<int64_t> missing;
    for (int64_t row = first; row < last; ++row)
      if (!writer.has(data_.ids[row].item<int64_t>())) missing.push_back(row - first);
    if (missing.empty()) return;
    const Tensor rows = at::tensor(missing, at::kLong);
    const auto cut = [&](Tensor& values) {
      if (values.defined()) values = values.index_select(0, rows);
    };
    cut(raw.logits), cut(raw.labels), cut(raw.topk_values), cut(raw.topk_indices), cut(raw.topk_tail);
    writer.append(data_.ids.slice(0, first, last).index_select(0, rows), raw);
  }

 private:
  std::pair<int64_t, int64_t> span(int64_t at) const { return {at * endpoint_.items, std::min((at + 1) * endpoint_.items, data_.size())}; }

  // As a live teacher behind this endpoint would say it (http_teacher.h).
  Signals said(const json& reply, int64_t rows) const {
    const Classified classified = classified_of(reply);
    const auto mismatch = [&](const std::string& what) {
      return TeacherError(fmt::format("{}: {}; the data have {} classes", header_.teacher, what, header_.classes),
                          "the endpoint must know the same classes, in the same order, as the data");
    };
    Signals signals;
    if (!classified.labels.empty()) {
      if (wanted_.logits || wanted_.topk > 0)
        throw TeacherError(header_.teacher + ": answers with labels only, and more is to be captured",
                           "capture.logits = false, capture.topk = 0, capture.labels = true");
      signals.labels = at::tensor(classified.labels, at::kLong);
      const auto largest = signals.labels.max().item<int64_t>();
      if (largest >= header_.classes) throw mismatch(fmt::format("answers with the label {}", largest));
      return signals;
    }
    const auto& values = classified.probabilities.empty() ? classified.scores : classified.probabilities;
    Tensor logits = at::empty({rows, header_.classes});
    for (int64_t row = 0; row < rows; ++row) {
      const auto& from = values.at(static_cast<size_t>(row));
      if (static_cast<int64_t>(from.size()) != header_.classes) throw mismatch(fmt::format("answers with {} values an input", from.size()));
      std::copy(from.begin(), from.end(), logits.data_ptr<float>() + row * header_.classes);
    }
    signals.logits = classified.probabilities.empty() ? logits : logits.clamp_min(1e-6).log().log_softmax(1);
    return derive(std::move(signals), wanted_);
  }

  Dataset data_;
  EndpointKnobs endpoint_;
  Wanted wanted_;
  SignalHeader header_;
  Tensor inputs_;  // [n, d]
};

class TextPlan : public CapturePlan {
 public:
  TextPlan(std::shared_ptr<const PromptFile> prompts, std::vector<int64_t> rows, const EndpointKnobs& endpoint, const TextKnobs& texts,
           const CaptureOptions& options, int64_t embedding_size)
      : prompts_(std::move(prompts)), rows_(prompts_->by_prefix(std::move(rows))), endpoint_(endpoint), texts_(texts) {
    params_.model = endpoint.model;
    params_.temperature = texts.temperature;
    params_.top_p = texts.top_p;
    params_.max_tokens = texts.max_tokens;
    params_.n = 1;
    params_.seed = texts.seed;
    params_.top_logprobs = options.topk;
    params_.stop = texts.stop;
    embeds_ = endpoint.api == "embeddings";
    calls_ = embeds_ || endpoint.many_choices ? 1 : texts.samples;
    params_.n = embeds_ ? 1 : texts.samples / calls_;
    header_.columns.push_back(signal_columns::ids());
    header_.columns.push_back(embeds_ ? signal_columns::embedding(embedding_size, options.precision == "fp16") : signal_columns::text());
    header_.teacher = endpoint.model + " at " + shown_url(endpoint.url);
    header_.data = prompts_->about();
    header_.input = {{"api", endpoint.api}};
    if (!embeds_)
      header_.input.update({{"samples", texts.samples},
                            {"max_tokens", texts.max_tokens},
                            {"temperature", texts.temperature},
                            {"top_p", texts.top_p},
                            {"seed", texts.seed},
                            {"stop", texts.stop},
                            {"top_logprobs", options.topk},
                            {"system", texts.system}});
  }
  const SignalHeader& header() const override { return header_; }
  int64_t samples() const override { return static_cast<int64_t>(rows_.size()); }
  int64_t questions() const override { return embeds_ ? (samples() + endpoint_.items - 1) / endpoint_.items : samples() * calls_; }

  Question question(int64_t at) const override {
    Question question = make(at);
    question.tag = at;
    return question;
  }

  bool stored(int64_t at, const HasId& has) const override {
    const auto [first, last] = span(at);
    for (int64_t place = first; place < last; ++place)
      if (!has(prompts_->id(rows_[static_cast<size_t>(place)]))) return false;
    return true;
  }

  Checked check(const Question& question, const json& body) const override {
    if (embeds_) return check_embedding(question, body);
    return endpoint_.api == "chat" ? check_chat(question, body) : check_completion(question, body);
  }

  void keep(SignalWriter& writer, int64_t at, const json& reply) override {
    const auto [first, last] = span(at);
    if (embeds_) return keep_embeddings(writer, first, last, embeddings_of(reply));
    const int64_t id = prompts_->id(rows_[static_cast<size_t>(first)]);
    if (writer.has(id)) return;
    Waiting& waiting = waiting_[first];
    waiting.row.resize(static_cast<size_t>(texts_.samples));
    std::vector<Completion> said = completions_of(reply);
    const int64_t sample = at % calls_;
    for (int64_t i = 0; i < params_.n; ++i) waiting.row.at(static_cast<size_t>(sample + i)) = std::move(said.at(static_cast<size_t>(i)));
    if (++waiting.calls < calls_) return;
    writer.append(at::tensor(std::vector<int64_t>{id}, at::kLong), std::vector<TextRow>{std::move(waiting.row)});
    waiting_.erase(first);
  }

 private:
  // A row of the store whose other samples are still being asked about.
  struct Waiting {
    TextRow row;
    int64_t calls = 0;
  };

  // Places in rows_ that question `at` is about.
  std::pair<int64_t, int64_t> span(int64_t at) const {
    if (embeds_) return {at * endpoint_.items, std::min((at + 1) * endpoint_.items, samples())};
    return {at / calls_, at / calls_ + 1};
  }

  Prompt prompt(int64_t place) const { return prompts_->at(rows_[static_cast<size_t>(place)]); }

  Question make(int64_t at) const {
    const auto [first, last] = span(at);
    if (embeds_) {
      std::vector<std::string> texts;
      for (int64_t place = first; place < last; ++place) texts.push_back(prompt(place).text());
      return embedding_question(endpoint_, texts);
    }
    Prompt asked = prompt(first);
    if (!texts_.system.empty()) asked.messages.insert(asked.messages.begin(), {"system", texts_.system});
    return endpoint_.api == "chat" ? chat_question(endpoint_, asked.messages, params_, at % calls_)
                                   : completion_question(endpoint_, asked.text(), params_, /*echo=*/false, at % calls_);
  }

  void keep_embeddings(SignalWriter& writer, int64_t first, int64_t last, const std::vector<std::vector<float>>& vectors) {
    const int64_t size = header_.columns.back().shape.at(0);
    std::vector<int64_t> ids;
    std::vector<float> values;
    for (int64_t place = first; place < last; ++place) {
      const int64_t id = prompts_->id(rows_[static_cast<size_t>(place)]);
      const auto& vector = vectors.at(static_cast<size_t>(place - first));
      if (static_cast<int64_t>(vector.size()) != size)
        throw TeacherError(fmt::format("{}: an embedding of {} numbers after others of {}", header_.teacher, vector.size(), size),
                           "did the model behind the endpoint change?");
      if (writer.has(id)) continue;
      ids.push_back(id);
      values.insert(values.end(), vector.begin(), vector.end());
    }
    if (ids.empty()) return;
    Signals said;
    said.features["embedding"] = at::tensor(values).reshape({static_cast<int64_t>(ids.size()), size});
    writer.append(at::tensor(ids, at::kLong), said);
  }

  std::shared_ptr<const PromptFile> prompts_;
  std::vector<int64_t> rows_;  // in the order of asking
  EndpointKnobs endpoint_;
  TextKnobs texts_;
  ChatParams params_;
  SignalHeader header_;
  bool embeds_ = false;
  int64_t calls_ = 1;  // a prompt
  std::map<int64_t, Waiting> waiting_;
};

}  // namespace

std::unique_ptr<CapturePlan> classifier_plan(const Dataset& data, const EndpointKnobs& endpoint, const CaptureOptions& options) {
  return std::make_unique<ClassifierPlan>(data, endpoint, options);
}

std::unique_ptr<CapturePlan> text_plan(std::shared_ptr<const PromptFile> prompts, std::vector<int64_t> rows, const EndpointKnobs& endpoint,
                                       const TextKnobs& texts, const CaptureOptions& options, int64_t embedding_size) {
  return std::make_unique<TextPlan>(std::move(prompts), std::move(rows), endpoint, texts, options, embedding_size);
}

}  // namespace retort
