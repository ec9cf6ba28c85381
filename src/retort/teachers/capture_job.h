// From a teacher to a store of what it says: what it will cost, and the asking itself, which goes on where it was stopped.
#pragma once

#include "retort/remote/batches.h"
#include "retort/teachers/capture_plan.h"

namespace retort {

// What is still to be asked, and what for.
struct CaptureEstimate {
  int64_t samples = 0, stored = 0;  // rows of the whole store; those that it has
  int64_t kept = 0;                 // questions that the cache answers
  Usage worst, likely;              // of the calls to the wire; `worst` is what the budget has to have room for
  int64_t paid_calls =
      0;  // calls under this budget that `likely` is drawn from; 0: a token is taken for four bytes, a completion for half of the most
  double seconds = 0;  // of asking live
  std::string bound;   // what decides it: "concurrency", "requests a minute", "tokens a minute"
  nlohmann::json to_json() const;
  std::string text() const;
};
// Asks nothing. `cache` may be null; `price`: a part of the live price, for batches; `latency`: seconds that a call is taken to last.
CaptureEstimate estimate_capture(const CapturePlan& plan, const EndpointKnobs& endpoint, ResponseCache* cache, const HasId& has,
                                 double latency, double price = 1);

struct CaptureEnd {
  int64_t samples = 0, had = 0, stored = 0;  // rows wanted; there before; there now
  int64_t answered = 0, from_cache = 0;      // questions
  Usage spent;
  double seconds = 0;
  nlohmann::json to_json() const;
  std::string text(const std::string& store) const;
};

// Asks what the store does not have, writes answers as they come, and seals the store. However it ends, what was answered is stored. Throws what the asker
// throws, with what is missing and how to go on in the message.
CaptureEnd capture_over_wire(CapturePlan& plan, Asker& asker, SignalWriter& writer);

// The same of a teacher in this process (or a program that it talks to), `options.batch` rows at a time.
CaptureEnd capture_in_process(Teacher& teacher, const Dataset& data, const CaptureOptions& options, SignalWriter& writer);

// The plan's questions that are not in the store, for batches.
NumberedQuestions numbered(const CapturePlan& plan, HasId has);

}  // namespace retort
