// What a capture asks an endpoint: questions in the order in which they are asked, made when their turn comes, and the rows that answers become.
#pragma once

#include <functional>
#include <memory>

#include "retort/teachers/prompts.h"
#include "retort/teachers/signal_writer.h"

namespace retort {

// Rows `index`, `index + count`, … of what there is to capture.
struct Shard {
  int64_t index = 0, count = 1;
  static Shard from(const std::string& text);  // "0/4"; throws ConfigError
  std::vector<int64_t> rows(int64_t total) const;
};

// [capture], beside CaptureOptions: what texts are asked for, and how.
struct TextKnobs {
  std::string prompts, system;
  int64_t samples = 1, max_tokens = 256, seed = -1;
  double temperature = 1, top_p = 1;
  std::vector<std::string> stop;
  void describe(Knobs& knobs);
};

// [capture] too: which rows.
struct CaptureKnobs {
  std::string part = "train";
  double latency = 1;
  void describe(Knobs& knobs);
};

using HasId = std::function<bool(int64_t id)>;

class CapturePlan {
 public:
  virtual ~CapturePlan() = default;
  virtual const SignalHeader& header() const = 0;
  virtual int64_t samples() const = 0;  // rows of the store when it is whole
  virtual int64_t questions() const = 0;
  virtual Question question(int64_t at) const = 0;              // its tag is `at`; the same one at every call
  virtual bool stored(int64_t at, const HasId& has) const = 0;  // whether all that its answer says is in the store
  virtual Checked check(const Question& question, const nlohmann::json& body) const = 0;
  // Writes the rows that this answer completes. Throws TeacherError for an answer that does not have what the store wants.
  virtual void keep(SignalWriter& writer, int64_t at, const nlohmann::json& reply) = 0;
};

// A classifier API asked about these rows, `endpoint.items` a call, prepared as the data's `spec` says.
std::unique_ptr<CapturePlan> classifier_plan(const Dataset& data, const EndpointKnobs& endpoint, const CaptureOptions& options);
// Chat, completions or embeddings (endpoint.api) about these rows of a prompt file. A row of the store is a prompt with all its samples.
std::unique_ptr<CapturePlan> text_plan(std::shared_ptr<const PromptFile> prompts, std::vector<int64_t> rows, const EndpointKnobs& endpoint,
                                       const TextKnobs& texts, const CaptureOptions& options, int64_t embedding_size = 0);

}  // namespace retort
