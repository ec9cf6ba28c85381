// A classifier behind a URL.
#pragma once

#include "retort/remote/asker.h"
#include "retort/teachers/teacher.h"

namespace retort {

// Sends inputs as prepared numbers, {"inputs": [[…]]}, and shows what comes back, up to `shown`: probabilities become logits log max(p, 1e-6),
// renormalised; scores are logits; from labels only the hard decision is seen. What it answers with is found out with the first question, or at once from
// `trial`, one input [1, …] (undefined: later, and until then it claims `shown`). Requests go out side by side, `items` inputs each; those about the data set
// that it serves are made of its rows in their order, so that another run asks the same and finds them in the cache.
// Throws ConfigError (the endpoint's knobs), TeacherError (another number of classes, another kind of answer than before).
std::unique_ptr<Teacher> http_teacher(const EndpointKnobs& knobs, int64_t classes, Access shown = Access::logits, const Tensor& trial = {});

}  // namespace retort
