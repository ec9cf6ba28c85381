// What stands behind the API: something that answers batches of inputs.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "retort/data/dataset.h"
#include "retort/nets/net.h"
#include "retort/teachers/teacher.h"

namespace retort {

struct ServedAnswer {
  Tensor probabilities;  // [b, classes] float32
  Tensor embeddings;     // [b, width] float32, where they were wanted
};

// Asked by one thread at a time.
class Served {
 public:
  virtual ~Served() = default;
  virtual const std::string& name() const = 0;  // the "model" of requests and answers
  virtual const InputSpec& input() const = 0;   // how it reads inputs; `classes` names its answers
  virtual std::string about() const = 0;
  virtual int64_t embedding_width() const { return 0; }  // 0: it has none to show
  virtual std::string fingerprint() const = 0;           // of its weights: what nobody knows who can only ask
  // inputs: [b, …shape] float32, prepared. Throws TeacherError.
  virtual ServedAnswer answer(const Tensor& inputs, bool embeddings) = 0;
  // The reply to a completions request ("messages" where `chat`); nothing where the model writes no text, as classifiers do not.
  virtual std::optional<nlohmann::json> complete(const nlohmann::json& request, bool chat) { return std::nullopt; }
};

// A net, prepared once for inference; embeddings are what its last layer reads.
std::unique_ptr<Served> served_net(const Net& net, InputSpec input, std::string name);
// A teacher that computes (TorchScript and the like): logits, and embeddings where it has such a tap.
std::unique_ptr<Served> served_teacher(std::unique_ptr<Teacher> teacher, InputSpec input, std::string name, std::string fingerprint);

// A run folder, .packed, .safetensors, or a TorchScript file (.pt, .pth) whose inputs `reads` describes: a shape "3,32,32", or a run whose inputs
// are prepared alike. Throws DataError, ConfigError.
std::unique_ptr<Served> open_served(const std::string& path, const std::string& reads);

}  // namespace retort
