// Any program as a teacher: JSON lines in, JSON lines out.
#pragma once

#include "retort/teachers/teacher.h"

namespace retort {

// The program is started once, as `command`, and gets a line a question, {"ids": […], "shape": […], "inputs": [[…], …]}: prepared inputs, flattened, one an id.
// It answers with a line: "probs" or "scores" (rows of one number a class; scores are logits, probabilities become log max(p, 1e-6), renormalised) or
// "labels", of which only the hard decision is seen; {"error": "…"} says what is wrong. "ids", where it repeats them, must be those it was asked about.
// Shows what it answers with, up to `shown`; that is found out with the first question, or at once from `trial`, one prepared input [1, …].
// Throws ConfigError (no command), TeacherError with the last lines of its stderr: it cannot be started, crashes, gives no answer within `timeout_seconds`,
// answers with what is no JSON, with another number of answers or classes, with what is no number.
std::unique_ptr<Teacher> program_teacher(const std::vector<std::string>& command, int64_t classes, double timeout_seconds = 60,
                                         Access shown = Access::logits, const Tensor& trial = {});

}  // namespace retort
