#include "retort/losses/checks.h"

#include "retort/base/error.h"

namespace retort::losses {

std::string shape_text(const Tensor& tensor) { return tensor.defined() ? fmt::format("[{}]", fmt::join(tensor.sizes(), ", ")) : "nothing"; }

void check_pair(const char* operation, const Tensor& student, const Tensor& teacher) {
  if (!student.defined() || !teacher.defined() || student.dim() != 2 || teacher.dim() != 2 || student.size(0) != teacher.size(0)) {
    throw ConfigError(
        fmt::format("{}: expected two [batch, classes] tensors, received {} and {}", operation, shape_text(student), shape_text(teacher)));
  }
  if (student.size(1) != teacher.size(1)) {
    throw ConfigError(fmt::format("{}: the student answers {} classes, the teacher {}", operation, student.size(1), teacher.size(1)),
                      "teacher and student must know the same classes in the same order");
  }
}

namespace {

[[noreturn]] void refuse_label(const char* operation, int64_t label, int64_t row, int64_t classes) {
  throw DataError(fmt::format("{}: label {} of row {} is outside [0, {})", operation, label, row, classes),
                  "labels count classes from 0; -1 marks a row without label");
}

}  // namespace

int64_t check_labels(const char* operation, const Tensor& logits, const Tensor& labels) {
  if (!logits.defined() || !labels.defined() || logits.dim() != 2 || labels.dim() != 1 || labels.size(0) != logits.size(0) ||
      labels.scalar_type() != at::kLong) {
    throw ConfigError(fmt::format("{}: expected logits [batch, classes] and int64 labels [batch], received {} and {}", operation,
                                  shape_text(logits), shape_text(labels)));
  }
  const Tensor held = labels.to(at::kCPU).contiguous();
  const int64_t* label = held.data_ptr<int64_t>();
  const int64_t rows = held.size(0), classes = logits.size(1);
  int64_t labelled = 0;
  for (int64_t row = 0; row < rows; ++row) {
    if (label[row] < -1 || label[row] >= classes) refuse_label(operation, label[row], row, classes);
    labelled += label[row] >= 0;
  }
  return labelled;
}

void check_temperature(const char* operation, double temperature) {
  if (!(temperature > 0)) throw ConfigError(fmt::format("{}: the temperature must be above 0, received {}", operation, temperature));
}

}  // namespace retort::losses
