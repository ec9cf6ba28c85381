// An ONNX file as a teacher, run by OpenCV.
#pragma once

#include "retort/teachers/teacher.h"

namespace retort {

enum class OnnxOutput { found_out, logits, probabilities };
OnnxOutput onnx_output_from(const std::string& name);  // "auto", "logits", "probabilities"; throws ConfigError

// A file whose one output is [batch, classes] (dimensions of 1 behind are ignored); shows logits. Probabilities become log max(p, 1e-6), renormalised; whether
// it ends in a softmax is found out unless `output` says so. A file that was written for one input at a time is asked one at a time. On the CPU. With an
// `input_shape` it is tried on zeros at once. classes 0: as many as it answers with first. Throws DataError (not such a file, layers that OpenCV does not know,
// several outputs), TeacherError (fails on an input, answers in another shape).
std::unique_ptr<Teacher> onnx_teacher(const std::string& path, int64_t classes, const std::vector<int64_t>& input_shape = {},
                                      OnnxOutput output = OnnxOutput::found_out);

}  // namespace retort
