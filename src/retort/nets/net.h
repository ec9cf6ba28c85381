// A net is an architecture (a chain of named blocks) and its parameters, kept apart: the forward pass is a function of the parameters.
//
// So a frozen copy, an average of weights, quantised weights, or weights with a graph behind them (bi-level methods) are all the same forward
// with another list of tensors, and a block can be run alone from an injected tensor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "retort/base/random.h"
#include "retort/base/tensor.h"

namespace retort {

using Tensors = std::vector<Tensor>;

// Intermediate tensors by name, filled during a forward pass.
struct Taps {
  std::vector<std::string> wanted;  // names of net.tap_names(); anything else is refused by Net::forward
  TensorMap found;                  // emptied when the pass begins
  bool wants(std::string_view name) const;
};

// What a layer sees while it runs.
struct Frame {
  const Tensors& params;
  const Tensors& buffers;  // running statistics; batch-norm layers update them in place while training
  bool training = false;
  const Tensors* folded = nullptr;  // set by frozen nets: weight (2s) and bias (2s+1) of fold slot s, batch-norm folded in
  Taps* taps = nullptr;
  Tensor tap(std::string_view name, const Tensor& value) const;  // records when wanted; returns the value
};

// A layer or block: a pure function of its input and the frame. It leaves its input as it is (taps and injected tensors rely on that);
// layers documented to overwrite stand behind one that makes a new tensor. Dropout draws from libtorch's global generator.
using Layer = std::function<Tensor(const Tensor&, const Frame&)>;

struct Block {
  std::string name;  // also the name of the tap at its output
  Layer run;
};

// Where a layer's parameters live in the net's lists.
using Slot = size_t;

// How a parameter starts. Draws come from the builder's seed and the parameter's name alone, so that order of construction never matters.
struct Init {
  enum class Kind { zeros, ones, constant, uniform, normal, truncated_normal } kind = Kind::zeros;
  double scale = 0;  // constant: the value; uniform: half width; normals: standard deviation
};
Init kaiming_uniform(int64_t fan_in);     // libtorch's Linear/Conv default: U(-1/sqrt(fan_in), 1/sqrt(fan_in))
Init kaiming_normal(int64_t fan);         // N(0, sqrt(2/fan))
Init truncated_normal(double deviation);  // N(0, deviation) cut at two deviations

// Weight and bias of a conv or linear layer with the batch-norm behind it folded in.
using FoldRule = std::function<std::pair<Tensor, Tensor>(const Tensors& params, const Tensors& buffers)>;

class Net;

// Collects parameters, buffers and blocks while an architecture is written down.
class NetBuilder {
 public:
  explicit NetBuilder(Seed seed) : seed_(seed) {}
  Slot param(const std::string& name, const std::vector<int64_t>& shape, Init init);
  Slot buffer(const std::string& name, const std::vector<int64_t>& shape, double value);
  Slot fold(FoldRule rule);           // returns the fold slot, see Frame::folded
  void tap(const std::string& name);  // declares a tap that a layer records with Frame::tap
  void block(const std::string& name, Layer run);
  // The net built so far. `spec`: what config.json keeps. Tap shapes are found by one forward pass of zeros of `input_shape` ([c,h,w] or [d]).
  // `outputs` 0: a part such as a projector, which may give any shape.
  Net finish(nlohmann::json spec, std::vector<int64_t> input_shape, int64_t outputs);

 private:
  Seed seed_;
  std::vector<std::string> param_names_, buffer_names_, tap_names_;
  std::vector<Init> inits_;
  std::vector<double> buffer_values_;
  Tensors params_, buffers_;
  std::vector<Block> blocks_;
  std::vector<FoldRule> folds_;
};

class Net {
 public:
  // Runs all blocks. `x`: [batch, …input_shape]; returns [batch, outputs]. Throws ConfigError for a tap the net does not have (nearest name),
  // DataError for an input of the wrong shape.
  Tensor forward(const Tensor& x, Taps* taps = nullptr) const;
  // The same with other tensors in the place of the parameters (same order and shapes); gradients flow to them, `create_graph` too.
  Tensor forward_with(const Tensors& params, const Tensor& x, Taps* taps = nullptr) const;
  // Blocks [first, last) from an injected tensor.
  Tensor forward_blocks(size_t first, size_t last, const Tensor& x, Taps* taps = nullptr) const;

  void train(bool on = true);  // throws std::logic_error on a frozen net
  bool training() const { return training_; }
  void require_grad(bool on);
  // Another net of the same architecture with tensors of its own.
  Net clone() const;
  // Same architecture with fresh parameters drawn from `seed`.
  Net redrawn(Seed seed) const;
  // A copy for inference only: eval mode, batch-norm folded into the convolutions, no autograd bookkeeping unless the input itself requires
  // a gradient (then it flows to the input, never to the weights). Its named tensors are those of the net it came from.
  Net frozen() const;
  bool is_frozen() const { return frozen_; }
  void to(at::Device device);
  // The net with one more block, which has no parameters of its own, behind the others. Shares its tensors.
  Net followed_by(Block block, nlohmann::json spec, int64_t outputs) const;

  // The net with all blocks of `part` as one block called `name` behind its first `position` blocks. Shares the tensors of both; the part's come after
  // the net's own, as "<name>.<theirs>". Throws std::logic_error for a part whose layers fold.
  Net with_part(size_t position, const std::string& name, const Net& part, nlohmann::json spec) const;

  const Tensors& params() const { return params_; }
  const Tensors& buffers() const { return buffers_; }
  const std::vector<std::string>& param_names() const;
  const std::vector<std::string>& buffer_names() const;
  const std::vector<Block>& blocks() const;
  std::vector<std::string> tap_names() const;
  std::vector<int64_t> tap_shape(const std::string& name) const;  // without the batch dimension; throws ConfigError with the nearest name
  const nlohmann::json& spec() const;                             // {"arch": "resnet20x0.5", "input": [...], "outputs": n, …}
  const std::vector<int64_t>& input_shape() const;
  int64_t outputs() const;
  int64_t param_count() const;

  // Tensors by name (parameters and buffers). load() copies values in; throws DataError for missing, unexpected or mis-shaped entries.
  TensorMap named_tensors() const;
  void load(const TensorMap& tensors, const std::string& from);
  // Copies values from a net of the same architecture.
  void copy_from(const Net& other);
  // Replaces the parameter tensors themselves (flattened storage); same shapes.
  void adopt_params(Tensors params);

 private:
  friend class NetBuilder;
  struct Architecture;  // names, blocks, folds, tap shapes, spec; shared between clones
  std::shared_ptr<const Architecture> architecture_;
  Tensors params_, buffers_, folded_;
  bool training_ = true, frozen_ = false;

  Tensor run(const Tensors& params, const Tensors* folded, size_t first, size_t last, const Tensor& x, Taps* taps) const;
  void settle(std::shared_ptr<Architecture> architecture);
  void check_input(const Tensor& x) const;
  void check_taps(Taps* taps) const;
  void refold();
};

// The net by its readable name, for inputs [c,h,w] or [d] and so many outputs:
//   linear
//   mlp-256-256            hidden widths (images are flattened); options after them: tanh, gelu, softplus, bn, drop0.1 ("mlp-64-64-bn-drop0.1")
//   convnet-3x64           depth x width: conv-norm-relu-pool with instance norm, as the data set distillation literature;
//                          options: bn, nonorm, softplus60
//   cnn-16-32              small conv-bn-relu net: one 3x3 conv, norm, relu, 2x2 max-pool per width, then global average pool
//   resnet8…resnet110      6n+2 layers, xW width factor (resnet20x0.5)
//   wrn-16-2, vgg8, vgg13 (xW), mobilenetv2-small (xW), vit-tiny, vit-DEPTHxWIDTHpPATCH[-distilled]
//   kernel-rbf-POINTS      a kernel machine, filled by a method that fits it
// Nets made for 32x32 images adapt to smaller ones: a stride or pool is left out where the map is already small (each file says when).
// Every net has the tap "embedding" (the vector before the last layer), "logits", and one tap a block.
// Throws ConfigError with the nearest family name and its form.
Net make_net(const std::string& name, const std::vector<int64_t>& input_shape, int64_t outputs, Seed seed);
// Same from a spec (config.json). Throws ConfigError.
Net make_net(const nlohmann::json& spec, Seed seed);
struct NetForm {
  std::string form, about;
};
std::vector<NetForm> net_forms();  // for help and docs

}  // namespace retort
