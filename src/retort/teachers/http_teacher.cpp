#include "retort/teachers/http_teacher.h"

#include "retort/base/error.h"
#include "retort/remote/chat.h"
#include "retort/teachers/id_table.h"
#include "retort/teachers/kept_answers.h"

namespace retort {
namespace {

std::vector<std::vector<float>> rows_in(const Tensor& inputs) {
  const Tensor flat = inputs.detach().to(at::kCPU, at::kFloat).reshape({inputs.size(0), -1}).contiguous();
  std::vector<std::vector<float>> rows(static_cast<size_t>(flat.size(0)));
  const float* at = flat.data_ptr<float>();
  for (auto& row : rows) {
    row.assign(at, at + flat.size(1));
    at += flat.size(1);
  }
  return rows;
}

Tensor matrix(const std::vector<std::vector<float>>& rows) {
  const Tensor values = at::empty({static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows.front().size())}, at::kFloat);
  float* at = values.data_ptr<float>();
  for (const auto& row : rows) at = std::copy(row.begin(), row.end(), at);
  return values;
}

class HttpTeacher final : public Teacher {
 public:
  HttpTeacher(const EndpointKnobs& knobs, int64_t classes, Access shown) : asker_(knobs), classes_(classes), shown_(shown) {
    if (shown != Access::hard_labels && shown != Access::topk && shown != Access::logits) {
      throw ConfigError(fmt::format("a classifier behind a URL cannot show {}", to_string(shown)), "it shows hard_labels, topk or logits");
    }
  }

  Access access() const override { return hard_ ? Access::hard_labels : shown_; }
  int64_t classes() const override { return classes_; }
  std::string about() const override {
    return fmt::format("classifier at {}{}", shown_url(asker_.knobs().url), hard_ ? ", which answers with labels" : "");
  }

  void serve(const Dataset& data) override {
    data_ = data;
    rows_ = IdTable();
    kept_ = Tensor();
    done_.assign(static_cast<size_t>((data.size() + items() - 1) / items()), false);
    if (data.size() > 0) rows_of(data.ids);
  }

  Signals ask(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted) override {
    require_access(*this, access_for(wanted), "the question");
    const Tensor rows = repeats && rows_.size() > 0 ? rows_.rows(ids) : Tensor();
    Tensor said;
    if (rows.defined() && rows.min().item<int64_t>() >= 0) {
      fill(rows);
      said = kept_.index_select(0, rows);
    } else {
      said = answers_to(inputs);
    }
    require_access(*this, access_for(wanted), "the question");  // now it is known what it answers with
    Signals signals;
    (hard_ ? signals.labels : signals.logits) = said.to(inputs.device());
    if (!hard_) return derive(std::move(signals), wanted);
    return signals;
  }

  // [b, classes] logits, or [b] labels, of these inputs.
  Tensor answers_to(const Tensor& inputs) {
    std::vector<Tensor> batches;
    for (int64_t first = 0; first < inputs.size(0); first += items())
      batches.push_back(inputs.slice(0, first, std::min(first + items(), inputs.size(0))));
    return at::cat(answers_to(batches));
  }

 private:
  int64_t items() const { return asker_.knobs().items; }

  void rows_of(const Tensor& ids) {
    const Tensor all = ids.contiguous();
    for (int64_t row = 0; row < all.numel(); ++row) {
      if (rows_.add(all.data_ptr<int64_t>()[row]) != row)
        throw DataError(fmt::format("{}: sample ids must be unique; that of row {} came before", data_.name, row));
    }
  }

  // Asks about the parts of the data set that these rows lie in, all at a time.
  void fill(const Tensor& rows) {
    std::vector<int64_t> parts;
    for (int64_t i = 0; i < rows.numel(); ++i) {
      const int64_t part = rows.data_ptr<int64_t>()[i] / items();
      if (done_[static_cast<size_t>(part)]) continue;
      done_[static_cast<size_t>(part)] = true;
      parts.push_back(part);
    }
    if (parts.empty()) return;
    try {
      std::vector<Tensor> batches;
      for (const int64_t part : parts)
        batches.push_back(prepared_inputs(data_.take(at::arange(part * items(), std::min((part + 1) * items(), rows_.size())))));
      const std::vector<Tensor> answers = answers_to(batches);
      if (!kept_.defined()) {
        std::vector<int64_t> shape = answers.front().sizes().vec();
        shape[0] = rows_.size();
        kept_ = at::zeros(shape, answers.front().options());
      }
      for (size_t i = 0; i < parts.size(); ++i) kept_.narrow(0, parts[i] * items(), answers[i].size(0)).copy_(answers[i]);
    } catch (...) {
      for (const int64_t part : parts) done_[static_cast<size_t>(part)] = false;
      throw;
    }
  }

  std::vector<Tensor> answers_to(const std::vector<Tensor>& batches) {
    std::vector<Tensor> answers(batches.size());
    size_t next = 0;
    asker_.ask(
        [&]() -> std::optional<Question> {
          if (next == batches.size()) return {};
          Question question = classifier_question(rows_in(batches[next]));
          if (!asker_.knobs().model.empty()) question.request["model"] = asker_.knobs().model;
          question.tag = static_cast<int64_t>(next++);
          return question;
        },
        check_classifier,
        [&](const Question& question, const nlohmann::json& reply, bool) {
          answers[static_cast<size_t>(question.tag)] = signal_of(classified_of(reply));
        });
    return answers;
  }

  Tensor signal_of(const Classified& said) {
    const bool hard = !said.labels.empty();
    if (known_ && hard != hard_) {
      throw TeacherError(fmt::format("{}: answered with {} first and now with {}", shown_url(asker_.knobs().url),
                                     hard ? "scores" : "labels", hard ? "labels" : "scores"),
                         "does one model answer there?");
    }
    known_ = true;
    hard_ = hard;
    if (hard) {
      const Tensor labels = at::tensor(said.labels, at::kLong);
      const auto largest = labels.max().item<int64_t>();
      if (largest >= classes_) mismatch(fmt::format("the label {}", largest));
      return labels;
    }
    const Tensor values = matrix(said.probabilities.empty() ? said.scores : said.probabilities);
    if (values.size(1) != classes_) mismatch(fmt::format("{} values an input", values.size(1)));
    return said.probabilities.empty() ? values : values.clamp_min(1e-6).log().log_softmax(1);
  }

  [[noreturn]] void mismatch(const std::string& what) const {
    throw TeacherError(fmt::format("{}: answers with {}; the data have {} classes", shown_url(asker_.knobs().url), what, classes_),
                       "the teacher must know the same classes, in the same order, as the data");
  }

  Asker asker_;
  int64_t classes_;
  Access shown_;
  bool known_ = false, hard_ = false;
  Dataset data_;
  IdTable rows_;
  Tensor kept_;             // answers to the served data set, by row
  std::vector<bool> done_;  // by part of `items` rows
};

}  // namespace

std::unique_ptr<Teacher> http_teacher(const EndpointKnobs& knobs, int64_t classes, Access shown, const Tensor& trial) {
  auto teacher = std::make_unique<HttpTeacher>(knobs, classes, shown);
  if (trial.defined()) teacher->answers_to(trial);
  return teacher;
}

}  // namespace retort
