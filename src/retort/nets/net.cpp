#include "retort/nets/net.h"

#include <stdexcept>

#include "retort/base/error.h"

namespace retort {

bool Taps::wants(std::string_view name) const { return std::find(wanted.begin(), wanted.end(), name) != wanted.end(); }

Tensor Frame::tap(std::string_view name, const Tensor& value) const {
  if (taps && taps->wants(name)) taps->found[std::string(name)] = value;
  return value;
}

// ---- initial values

Init kaiming_uniform(int64_t fan_in) { return {Init::Kind::uniform, 1 / std::sqrt(static_cast<double>(std::max<int64_t>(fan_in, 1)))}; }
Init kaiming_normal(int64_t fan) { return {Init::Kind::normal, std::sqrt(2.0 / static_cast<double>(std::max<int64_t>(fan, 1)))}; }
Init truncated_normal(double deviation) { return {Init::Kind::truncated_normal, deviation}; }

namespace {

Tensor draw(const std::vector<int64_t>& shape, const Init& init, Seed seed) {
  const Tensor values = at::empty(shape, at::kFloat);
  switch (init.kind) {
    case Init::Kind::zeros:
      return values.zero_();
    case Init::Kind::ones:
      return values.fill_(1);
    case Init::Kind::constant:
      return values.fill_(init.scale);
    case Init::Kind::uniform:
      return values.uniform_(-init.scale, init.scale, seed.generator());
    case Init::Kind::normal:
      return values.normal_(0, init.scale, seed.generator());
    case Init::Kind::truncated_normal: {
      const double bound = std::erf(std::sqrt(2.0));  // mass within two deviations; the inverse of the distribution function does the rest
      return values.uniform_(-bound, bound, seed.generator())
          .erfinv_()
          .mul_(init.scale * std::sqrt(2.0))
          .clamp_(-2 * init.scale, 2 * init.scale);
    }
  }
  throw std::logic_error("Init: unknown kind");
}

std::string shape_text(at::IntArrayRef shape) { return fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ",")); }

}  // namespace

// ---- the architecture, shared between copies

struct Net::Architecture {
  std::vector<std::string> param_names, buffer_names, tap_names;
  std::vector<Init> inits;
  std::vector<double> buffer_values;
  std::vector<Block> blocks;
  std::vector<FoldRule> folds;
  std::map<std::string, std::vector<int64_t>> tap_shapes;
  nlohmann::json spec;
  std::vector<int64_t> input_shape;
  int64_t outputs = 0;

  std::string name() const { return spec.value("arch", std::string("net")); }
  ConfigError unknown_tap(const std::string& tap) const {
    const std::string nearest = nearest_name(tap, tap_names);
    return ConfigError(
        fmt::format("{}: no tap is called '{}'", name(), tap),
        nearest.empty() ? fmt::format("its taps are {}", fmt::join(tap_names, ", ")) : fmt::format("did you mean '{}'?", nearest));
  }
};

// ---- NetBuilder

Slot NetBuilder::param(const std::string& name, const std::vector<int64_t>& shape, Init init) {
  if (std::find(param_names_.begin(), param_names_.end(), name) != param_names_.end())
    throw std::logic_error("parameter declared twice: " + name);
  param_names_.push_back(name);
  inits_.push_back(init);
  params_.push_back(draw(shape, init, seed_.stream(name)));
  return params_.size() - 1;
}

Slot NetBuilder::buffer(const std::string& name, const std::vector<int64_t>& shape, double value) {
  buffer_names_.push_back(name);
  buffer_values_.push_back(value);
  buffers_.push_back(at::full(shape, value, at::kFloat));
  return buffers_.size() - 1;
}

Slot NetBuilder::fold(FoldRule rule) {
  folds_.push_back(std::move(rule));
  return folds_.size() - 1;
}

void NetBuilder::tap(const std::string& name) { tap_names_.push_back(name); }

void NetBuilder::block(const std::string& name, Layer run) {
  blocks_.push_back({name, std::move(run)});
  tap(name);
}

Net NetBuilder::finish(nlohmann::json spec, std::vector<int64_t> input_shape, int64_t outputs) {
  auto architecture = std::make_shared<Net::Architecture>();
  architecture->param_names = std::move(param_names_);
  architecture->buffer_names = std::move(buffer_names_);
  architecture->tap_names = std::move(tap_names_);
  architecture->inits = std::move(inits_);
  architecture->buffer_values = std::move(buffer_values_);
  architecture->blocks = std::move(blocks_);
  architecture->folds = std::move(folds_);
  architecture->spec = std::move(spec);
  architecture->input_shape = std::move(input_shape);
  architecture->outputs = outputs;

  Net net;
  net.params_ = std::move(params_);
  net.buffers_ = std::move(buffers_);
  net.settle(std::move(architecture));
  net.training_ = true;
  net.require_grad(true);
  return net;
}

// Takes the architecture and finds its tap shapes by a pass of zeros.
void Net::settle(std::shared_ptr<Architecture> architecture) {
  architecture_ = architecture;
  training_ = false;
  const at::NoGradGuard no_grad;
  std::vector<int64_t> one = architecture->input_shape;
  one.insert(one.begin(), 1);
  Taps taps{architecture->tap_names, {}};
  const Tensor out = forward(at::zeros(one), &taps);
  if (architecture->outputs > 0 && out.sizes() != at::IntArrayRef({1, architecture->outputs})) {
    throw std::logic_error(
        fmt::format("{}: gives {} for one sample, not [1,{}]", architecture->name(), shape_text(out.sizes()), architecture->outputs));
  }
  for (const std::string& name : architecture->tap_names) {
    const auto found = taps.found.find(name);
    if (found == taps.found.end()) throw std::logic_error(architecture->name() + ": tap declared but never filled: " + name);
    architecture->tap_shapes[name] = found->second.sizes().slice(1).vec();
  }
}

Net Net::followed_by(Block block, nlohmann::json spec, int64_t outputs) const {
  auto longer = std::make_shared<Architecture>(*architecture_);
  longer->tap_names.push_back(block.name);
  longer->blocks.push_back(std::move(block));
  longer->spec = std::move(spec);
  longer->outputs = outputs;
  Net net = *this;
  net.settle(std::move(longer));
  net.training_ = training_;
  return net;
}

Net Net::with_part(size_t position, const std::string& name, const Net& part, nlohmann::json spec) const {
  const Architecture& theirs = *part.architecture_;
  if (!theirs.folds.empty()) throw std::logic_error(theirs.name() + ": layers that fold cannot become a part");
  auto longer = std::make_shared<Architecture>(*architecture_);
  const auto append = [&](auto& list, const auto& more, const auto& made) {
    std::transform(more.begin(), more.end(), std::back_inserter(list), made);
  };
  const auto named = [&](const std::string& entry) { return name + "." + entry; };
  append(longer->param_names, theirs.param_names, named);
  append(longer->buffer_names, theirs.buffer_names, named);
  longer->inits.insert(longer->inits.end(), theirs.inits.begin(), theirs.inits.end());
  longer->buffer_values.insert(longer->buffer_values.end(), theirs.buffer_values.begin(), theirs.buffer_values.end());
  longer->tap_names.push_back(name);
  longer->spec = std::move(spec);
  const size_t first = params_.size(), last = first + part.params_.size(), first_buffer = buffers_.size(),
               last_buffer = first_buffer + part.buffers_.size();
  const Layer run = [=, blocks = theirs.blocks](const Tensor& x, const Frame& frame) {
    const auto stretch = [](const Tensors& list, size_t from, size_t to) {
      return Tensors(list.begin() + static_cast<ptrdiff_t>(from), list.begin() + static_cast<ptrdiff_t>(to));
    };
    const Tensors params = stretch(frame.params, first, last), buffers = stretch(frame.buffers, first_buffer, last_buffer);
    const Frame own{params, buffers, frame.training, nullptr, nullptr};
    Tensor y = x;
    for (const Block& block : blocks) y = block.run(y, own);
    return y;
  };
  longer->blocks.insert(longer->blocks.begin() + static_cast<ptrdiff_t>(position), {name, run});
  Net net = *this;
  net.params_.insert(net.params_.end(), part.params_.begin(), part.params_.end());
  net.buffers_.insert(net.buffers_.end(), part.buffers_.begin(), part.buffers_.end());
  net.settle(std::move(longer));
  net.training_ = training_;
  return net;
}

// ---- Net: running

Tensor Net::run(const Tensors& params, const Tensors* folded, size_t first, size_t last, const Tensor& x, Taps* taps) const {
  const Frame frame{params, buffers_, training_, folded, taps};
  Tensor y = x;
  for (size_t i = first; i < last; ++i) {
    const Block& block = architecture_->blocks[i];
    y = frame.tap(block.name, block.run(y, frame));
  }
  return y;
}

void Net::check_input(const Tensor& x) const {
  const auto& shape = architecture_->input_shape;
  if (x.dim() == static_cast<int64_t>(shape.size()) + 1 && x.sizes().slice(1) == at::IntArrayRef(shape)) return;
  throw DataError(
      fmt::format("{}: reads inputs [batch,{}], received {}", architecture_->name(), fmt::join(shape, ","), shape_text(x.sizes())),
      "prepare the inputs as the config.json beside the model says, or make a net for this shape");
}

void Net::check_taps(Taps* taps) const {
  if (!taps) return;
  taps->found.clear();
  const auto& known = architecture_->tap_names;
  for (const std::string& name : taps->wanted) {
    if (std::find(known.begin(), known.end(), name) == known.end()) throw architecture_->unknown_tap(name);
  }
}

Tensor Net::forward(const Tensor& x, Taps* taps) const {
  check_input(x);
  return forward_blocks(0, architecture_->blocks.size(), x, taps);
}

Tensor Net::forward_blocks(size_t first, size_t last, const Tensor& x, Taps* taps) const {
  check_taps(taps);
  if (first > last || last > architecture_->blocks.size()) {
    throw std::out_of_range(fmt::format("{}: blocks {} to {} of {}", architecture_->name(), first, last, architecture_->blocks.size()));
  }
  if (!frozen_) return run(params_, nullptr, first, last, x, taps);
  if (x.requires_grad()) return run(params_, &folded_, first, last, x, taps);
  const at::NoGradGuard no_grad;
  return run(params_, &folded_, first, last, x, taps);
}

Tensor Net::forward_with(const Tensors& params, const Tensor& x, Taps* taps) const {
  check_input(x);
  check_taps(taps);
  if (params.size() != params_.size()) {
    throw std::invalid_argument(
        fmt::format("{}: forward_with takes {} parameters, received {}", architecture_->name(), params_.size(), params.size()));
  }
  for (size_t i = 0; i < params.size(); ++i) {
    if (params[i].sizes() == params_[i].sizes()) continue;
    throw std::invalid_argument(fmt::format("{}: parameter {} has shape {}, received {}", architecture_->name(), param_names()[i],
                                            shape_text(params_[i].sizes()), shape_text(params[i].sizes())));
  }
  return run(params, nullptr, 0, architecture_->blocks.size(), x, taps);
}

// ---- Net: copies and states

void Net::train(bool on) {
  if (on && frozen_) throw std::logic_error("a frozen net cannot be trained; keep the net it came from");
  training_ = on;
}

void Net::require_grad(bool on) {
  for (const Tensor& p : params_) p.requires_grad_(on);
}

void Net::refold() {
  folded_.clear();
  if (!frozen_) return;
  const at::NoGradGuard no_grad;
  for (const FoldRule& rule : architecture_->folds) {
    auto [weight, bias] = rule(params_, buffers_);
    folded_.push_back(std::move(weight));
    folded_.push_back(std::move(bias));
  }
}

Net Net::clone() const {
  Net net = *this;
  for (Tensor& p : net.params_) p = p.detach().clone().requires_grad_(p.requires_grad());
  for (Tensor& buffer : net.buffers_) buffer = buffer.clone();
  net.refold();
  return net;
}

Net Net::redrawn(Seed seed) const {
  Net net = *this;
  for (size_t i = 0; i < params_.size(); ++i) {
    net.params_[i] = draw(params_[i].sizes().vec(), architecture_->inits[i], seed.stream(param_names()[i])).to(params_[i].device());
  }
  for (size_t i = 0; i < buffers_.size(); ++i) net.buffers_[i] = at::full_like(buffers_[i], architecture_->buffer_values[i]);
  net.frozen_ = false;
  net.training_ = true;
  net.refold();
  net.require_grad(true);
  return net;
}

Net Net::frozen() const {
  Net net = clone();
  net.require_grad(false);
  net.training_ = false;
  net.frozen_ = true;
  net.refold();
  return net;
}

void Net::to(at::Device device) {
  for (Tensor& p : params_) p = p.detach().to(device).requires_grad_(p.requires_grad());
  for (Tensor& buffer : buffers_) buffer = buffer.to(device);
  refold();
}

// ---- Net: names and values

const std::vector<std::string>& Net::param_names() const { return architecture_->param_names; }
const std::vector<std::string>& Net::buffer_names() const { return architecture_->buffer_names; }
const std::vector<Block>& Net::blocks() const { return architecture_->blocks; }
std::vector<std::string> Net::tap_names() const { return architecture_->tap_names; }
const nlohmann::json& Net::spec() const { return architecture_->spec; }
const std::vector<int64_t>& Net::input_shape() const { return architecture_->input_shape; }
int64_t Net::outputs() const { return architecture_->outputs; }

std::vector<int64_t> Net::tap_shape(const std::string& name) const {
  const auto found = architecture_->tap_shapes.find(name);
  if (found == architecture_->tap_shapes.end()) throw architecture_->unknown_tap(name);
  return found->second;
}

int64_t Net::param_count() const {
  return std::accumulate(params_.begin(), params_.end(), int64_t{0}, [](int64_t sum, const Tensor& p) { return sum + p.numel(); });
}

TensorMap Net::named_tensors() const {
  TensorMap tensors;
  for (size_t i = 0; i < params_.size(); ++i) tensors[param_names()[i]] = params_[i].detach();
  for (size_t i = 0; i < buffers_.size(); ++i) tensors[buffer_names()[i]] = buffers_[i];
  return tensors;
}

void Net::load(const TensorMap& tensors, const std::string& from) {
  const TensorMap own = named_tensors();
  const std::string name = architecture_->name();
  // Counters that PyTorch keeps beside running statistics mean nothing here.
  const auto is_counter = [](std::string_view entry) {
    constexpr std::string_view ending = "num_batches_tracked";
    return entry.size() >= ending.size() && entry.substr(entry.size() - ending.size()) == ending;
  };
  std::vector<std::string> known;
  for (const auto& [entry, mine] : own) {
    known.push_back(entry);
    const auto found = tensors.find(entry);
    if (found == tensors.end())
      throw DataError(fmt::format("{}: tensor '{}' of {} is missing", from, entry, name), "the file holds another architecture's weights");
    if (found->second.sizes() != mine.sizes()) {
      throw DataError(fmt::format("{}: tensor '{}' of {} should have shape {}, found {}", from, entry, name, shape_text(mine.sizes()),
                                  shape_text(found->second.sizes())),
                      "the weights were made for other inputs, outputs or widths");
    }
  }
  for (const auto& [entry, value] : tensors) {
    if (own.count(entry) || is_counter(entry)) continue;
    const std::string nearest = nearest_name(entry, known);
    throw DataError(fmt::format("{}: tensor '{}' does not belong to {}", from, entry, name),
                    nearest.empty() ? "the file holds another architecture's weights" : fmt::format("the nearest name is '{}'", nearest));
  }
  const at::NoGradGuard no_grad;
  for (const auto& [entry, mine] : own) mine.copy_(tensors.at(entry));
  refold();
}

void Net::copy_from(const Net& other) {
  const auto same_shapes = [](const Tensors& mine, const Tensors& theirs) {
    return std::equal(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                      [](const Tensor& a, const Tensor& b) { return a.sizes() == b.sizes(); });
  };
  if (!same_shapes(params_, other.params_) || !same_shapes(buffers_, other.buffers_)) {
    throw ConfigError(fmt::format("weights of {} do not fit {}", other.architecture_->name(), architecture_->name()),
                      "both nets need the same architecture");
  }
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < params_.size(); ++i) params_[i].copy_(other.params_[i]);
  for (size_t i = 0; i < buffers_.size(); ++i) buffers_[i].copy_(other.buffers_[i]);
  refold();
}

void Net::adopt_params(Tensors params) {
  if (params.size() != params_.size()) throw std::invalid_argument("adopt_params: wrong number of tensors");
  for (size_t i = 0; i < params.size(); ++i) {
    if (params[i].sizes() != params_[i].sizes()) throw std::invalid_argument("adopt_params: wrong shape for " + param_names()[i]);
  }
  params_ = std::move(params);
  refold();
}

}  // namespace retort
