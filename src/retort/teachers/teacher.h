// Teachers: what may be seen of them is a type, and whatever they say comes by sample id.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "retort/data/loader.h"
#include "retort/nets/net.h"

namespace retort {

// Ordered: each level includes those before it.
enum class Access { none, text, hard_labels, topk, logits, features, weights };
std::string to_string(Access access);
Access access_from(const std::string& name);  // throws ConfigError with the nearest name

// What a method asks of a teacher for a batch.
struct Wanted {
  bool logits = false, labels = false;
  std::vector<std::string> features;  // tap names of the teacher
};

// What it said; never carries a gradient.
struct Signals {
  Tensor logits;       // [b, classes]
  Tensor labels;       // [b] int64: its hard decision
  TensorMap features;  // by tap name
};

class Teacher {
 public:
  virtual ~Teacher() = default;
  virtual Access access() const = 0;
  virtual int64_t classes() const = 0;
  // `ids` identify the samples; `repeats` says that the same id always comes with the same input, so that answers may be kept.
  virtual Signals ask(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted) = 0;
  virtual std::string about() const = 0;                    // one line for logs: "resnet20, 272,474 parameters"
  virtual std::vector<std::string> tap_names() const { return {}; }
  virtual std::vector<int64_t> tap_shape(const std::string& name) const;  // throws AccessError
  virtual const Net* net() const { return nullptr; }        // where weights may be seen
};

// A net in this process: prepared once for inference, its answers kept for inputs that repeat (up to `keep_bytes`).
std::unique_ptr<Teacher> net_teacher(const Net& net, Access shown = Access::weights, int64_t keep_bytes = int64_t{1} << 30);
// Weighted mean of the members' probabilities (logits = log of it) or of their logits.
std::unique_ptr<Teacher> ensemble_teacher(std::vector<std::unique_ptr<Teacher>> members, std::vector<double> weights, bool average_logits = false);
// A TorchScript file whose output is [b, classes] logits. Throws TeacherError / DataError.
std::unique_ptr<Teacher> torchscript_teacher(const std::string& path, int64_t classes, at::Device device = at::kCPU);
// Captured signals of a data set (see signal_store.h).
std::unique_ptr<Teacher> stored_teacher(const std::string& path);

}  // namespace retort
