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
  std::vector<std::string> features = {};  // tap names of the teacher
  int64_t topk = 0;                        // so many of the largest log-probabilities; 0 for none
  bool members = false;                    // with logits: those of every member of an ensemble too
};

// What it said; never carries a gradient.
struct Signals {
  Tensor logits;        // [b, classes]
  Tensor labels;        // [b] int64: its hard decision
  TensorMap features;   // by tap name
  Tensor topk_values;   // [b, k] log-probabilities, largest first
  Tensor topk_indices;  // [b, k] int64
  Tensor topk_tail;     // [b] log of the probability of all other classes together
  Tensors members;      // [b, classes] of every member; empty where the teacher is one, or does not tell
};

class Teacher {
 public:
  virtual ~Teacher() = default;
  virtual Access access() const = 0;
  virtual int64_t classes() const = 0;
  // Names the data set whose ids will be asked about with `repeats`: teachers that compute keep their answers to its clean inputs from now on.
  // An empty set ends that.
  virtual void serve(const Dataset& data) {}
  // `ids` identify the samples [b]. `repeats`: the inputs are the clean prepared ones of these ids, at every visit, so that kept answers may be
  // given; those depend on the id alone, to the last bit, whatever batch it comes in. Throws AccessError for more than access() shows.
  virtual Signals ask(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted) = 0;
  virtual bool live() const { return true; }  // whether it answers about any input, not only about ids it was captured on
  virtual std::string about() const = 0;      // one line for logs: "resnet20, 272,474 parameters"
  virtual std::vector<std::string> tap_names() const { return {}; }
  virtual std::vector<int64_t> tap_shape(const std::string& name) const;  // throws AccessError
  virtual const Net* net() const { return nullptr; }                      // where weights may be seen; frozen
};

// Throws AccessError unless the teacher shows `needed`: "kd.hinton needs logits; the teacher (…) shows hard_labels".
void require_access(const Teacher& teacher, Access needed, const std::string& what);
// The access that a question needs.
Access access_for(const Wanted& wanted);
// Log-probabilities [b, classes] from the k largest and the tail (as in Signals), which is spread evenly over the other classes.
Tensor spread_topk(const Tensor& values, const Tensor& indices, const Tensor& tail, int64_t classes);

// A net in this process: prepared once for inference, its answers to the data set it serves kept (up to `keep_bytes`).
// Throws ConfigError for a level that a net cannot be cut down to (none, text).
std::unique_ptr<Teacher> net_teacher(const Net& net, Access shown = Access::weights, int64_t keep_bytes = int64_t{1} << 30);
// Weighted mean of the members' probabilities (logits = log of it) or of their logits; no weights: equal ones. Shows what every member shows,
// up to features, whose taps are named "0:stage3" for member 0; members that show only hard labels vote. Throws ConfigError (no members,
// other numbers of classes, weights that are negative, too few or all zero).
std::unique_ptr<Teacher> ensemble_teacher(std::vector<std::unique_ptr<Teacher>> members, std::vector<double> weights,
                                          bool average_logits = false);
// A TorchScript file whose output is [b, classes] logits; shows logits. With an `input_shape` it is tried on zeros at once. Throws DataError
// (not such a file), TeacherError (fails on an input, or answers in another shape). classes 0: as many as it answers with on its first inputs.
std::unique_ptr<Teacher> torchscript_teacher(const std::string& path, int64_t classes, at::Device device = at::kCPU,
                                             const std::vector<int64_t>& input_shape = {});
// Captured signals of a data set (see signal_store.h). Throws DataError.
std::unique_ptr<Teacher> stored_teacher(const std::string& path);

std::string with_commas(int64_t number);  // 272,474

}  // namespace retort
