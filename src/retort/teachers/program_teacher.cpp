#include "retort/teachers/program_teacher.h"

#include "retort/base/error.h"
#include "retort/teachers/kept_answers.h"
#include "retort/teachers/line_program.h"

namespace retort {
namespace {
using nlohmann::json;

std::string question_line(const Tensor& ids, const Tensor& inputs) {
  const Tensor rows = inputs.detach().to(at::kCPU, at::kFloat).reshape({inputs.size(0), -1}).contiguous(),
               names = ids.to(at::kCPU).contiguous();
  const auto* value = rows.data_ptr<float>();
  const auto* const id = names.data_ptr<int64_t>();
  fmt::memory_buffer out;
  const auto to = std::back_inserter(out);
  fmt::format_to(to, "{{\"ids\":[{}],\"shape\":[{}],\"inputs\":[", fmt::join(id, id + names.numel(), ","),
                 fmt::join(inputs.sizes().begin() + 1, inputs.sizes().end(), ","));
  for (int64_t r = 0; r < rows.size(0); ++r, value += rows.size(1))
    fmt::format_to(to, "{}[{}]", r == 0 ? "" : ",", fmt::join(value, value + rows.size(1), ","));
  fmt::format_to(to, "]}}");
  return fmt::to_string(out);
}

std::string shortened(const std::string& text) {
  std::string part = text.substr(0, 80);
  for (char& c : part) c = static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return text.size() > part.size() ? part + "…" : part;
}

class ProgramTeacher final : public Teacher {
 public:
  ProgramTeacher(const std::vector<std::string>& command, int64_t classes, double timeout_seconds, Access shown)
      : program_(command, timeout_seconds), classes_(classes), shown_(shown), answers_(int64_t{1} << 30) {}

  Access access() const override { return hard_ ? Access::hard_labels : shown_; }
  int64_t classes() const override { return classes_; }
  std::string about() const override { return fmt::format("program {}{}", program_.name(), hard_ ? ", which answers with labels" : ""); }

  void serve(const Dataset& data) override { answers_.serve(data); }
  Signals ask(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted) override {
    require_access(*this, access_for(wanted), "the question");
    Signals said = answers_.answer(ids, inputs, repeats, wanted,
                                   [this](const Tensor& names, const Tensor& x, bool, const std::vector<std::string>&) {
                                     Signals signals;
                                     signals.logits = logits_of(names, x);
                                     return signals;
                                   });
    require_access(*this, access_for(wanted), "the question");  // now it is known what it answers with
    return said;
  }

  // [b, classes]; of a program that answers with labels 1 at its decision and 0 elsewhere, of which only the place of the largest is shown.
  Tensor logits_of(const Tensor& ids, const Tensor& inputs) {
    if (!inputs.isfinite().all().item<bool>())
      throw TeacherError(program_.name() + ": was to be asked about inputs that are not finite", "see what the data hold");
    const std::string line = program_.ask(question_line(ids, inputs));
    const json reply = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!reply.is_object())
      program_.fail(fmt::format("answered with what is no JSON object: \"{}\"", shortened(line)),
                    "NaN and Infinity are no JSON; other output belongs on stderr");
    if (reply.contains("error"))
      program_.fail("says: " + shortened(reply["error"].is_string() ? reply["error"].get<std::string>() : reply["error"].dump()));
    if (reply.contains("ids") && reply["ids"] != ids_json(ids)) program_.fail("answered about other ids than it was asked about");
    return values_of(reply, inputs.size(0)).to(inputs.device());
  }

 private:
  static json ids_json(const Tensor& ids) {
    json list = json::array();
    for (int64_t i = 0; i < ids.numel(); ++i) list.push_back(ids[i].item<int64_t>());
    return list;
  }

  Tensor values_of(const json& reply, int64_t asked) {
    const char* kind = reply.contains("probs") ? "probs" : reply.contains("scores") ? "scores" : "labels";
    if (!reply.contains(kind))
      program_.fail(fmt::format("answered without \"probs\", \"scores\" or \"labels\": {}", shortened(reply.dump())),
                    "{\"probs\": [[0.2, 0.8], …]}, one row an input");
    const json& answers = reply[kind];
    if (!answers.is_array() || static_cast<int64_t>(answers.size()) != asked)
      program_.fail(
          fmt::format("{} answers in \"{}\" to {} inputs", answers.is_array() ? std::to_string(answers.size()) : "no list of", kind, asked),
          "one answer an input, in their order");
    const bool hard = kind == std::string("labels");
    if (known_ && hard != hard_)
      program_.fail(fmt::format("answered with {} first and now with {}", hard ? "numbers" : "labels", hard ? "labels" : "numbers"));
    known_ = true;
    hard_ = hard;
    const Tensor values = at::zeros({asked, classes_}, at::kFloat);
    for (int64_t i = 0; i < asked; ++i) {
      const json& answer = answers[static_cast<size_t>(i)];
      if (hard)
        put_label(answer, i, values.data_ptr<float>() + i * classes_);
      else
        put_row(answer, kind, i, values.data_ptr<float>() + i * classes_);
    }
    return kind == std::string("probs") ? values.clamp_min(1e-6).log().log_softmax(1) : values;
  }

  void put_label(const json& label, int64_t input, float* row) {
    if (!label.is_number_integer() || label < 0 || label >= classes_)
      program_.fail(fmt::format("label {} of input {}: expected a class from 0 to {}", shortened(label.dump()), input, classes_ - 1),
                    "classes are numbered in the order of the data's");
    row[label.get<int64_t>()] = 1;
  }

  void put_row(const json& numbers, const char* kind, int64_t input, float* row) {
    if (!numbers.is_array() || static_cast<int64_t>(numbers.size()) != classes_) {
      program_.fail(fmt::format("\"{}\" of input {}: {} numbers; the data have {} classes", kind, input,
                                numbers.is_array() ? numbers.size() : 0, classes_),
                    "one number a class, in the order of the data's");
    }
    double sum = 0;
    for (size_t c = 0; c < numbers.size(); ++c) {
      const double value = numbers[c].is_number() ? numbers[c].get<double>() : NAN;
      row[c] = static_cast<float>(value);
      if (!std::isfinite(row[c]))
        program_.fail(fmt::format("\"{}\" of input {}: {} is no finite number", kind, input, shortened(numbers[c].dump())));
      if (kind == std::string("probs") && value < 0)
        program_.fail(fmt::format("\"probs\" of input {}: {:g} is negative", input, value), "call them \"scores\" where they are logits");
      sum += value;
    }
    if (kind == std::string("probs") && std::abs(sum - 1) > 0.01)
      program_.fail(fmt::format("\"probs\" of input {}: their sum is {:g}, expected 1", input, sum),
                    "call them \"scores\" where they are logits");
  }

  LineProgram program_;
  int64_t classes_;
  Access shown_;
  bool known_ = false, hard_ = false;
  KeptAnswers answers_;
};

}  // namespace

std::unique_ptr<Teacher> program_teacher(const std::vector<std::string>& command, int64_t classes, double timeout_seconds, Access shown,
                                         const Tensor& trial) {
  if (shown != Access::hard_labels && shown != Access::topk && shown != Access::logits)
    throw ConfigError(fmt::format("a program cannot show {}", to_string(shown)), "it shows hard_labels, topk or logits");
  auto teacher = std::make_unique<ProgramTeacher>(command, classes, timeout_seconds, shown);
  if (trial.defined()) teacher->logits_of(at::zeros({1}, at::kLong), trial);
  return teacher;
}

}  // namespace retort
