#include "retort/methods/features/blocks.h"

#include "retort/base/error.h"
#include "retort/losses/features.h"
#include "retort/nets/layers.h"
#include "retort/nets/linear_map.h"
#include "retort/train/gradient_noise.h"
#include "retort/train/projector.h"

namespace retort::features {
namespace {

Net adapter(const std::string& kind, const Shape& from, const Shape& to, Seed seed) {
  if (kind == "linear") return linear_map(from, to, seed);
  const bool map = from.size() == 3;
  NetBuilder b(seed);
  const int64_t in = map ? from[0] : from.back(), out = map ? to[0] : to.back();
  const auto layer = [&](const std::string& name, int64_t a, int64_t c) { return map ? conv2d(b, name, a, c, 1) : linear(b, name, a, c); };
  b.block("adapter", chain({layer("first", in, out), relu(), layer("second", out, out)}));
  return b.finish({{"arch", "adapter"}}, from, 0);
}

std::string map_name(const Boundary& boundary) { return "map." + boundary.student; }

// Parameters that the student's first blocks use.
std::vector<size_t> params_before(const Net& student, size_t end) {
  std::vector<int64_t> shape = student.input_shape();
  shape.insert(shape.begin(), 2);
  Net copy = student.clone();  // running statistics stay out of it
  copy.require_grad(true);
  const Tensor features = copy.forward_blocks(0, end, at::rand(shape, Seed(1).generator()).to(copy.params().front().device()));
  const auto gradients = torch::autograd::grad({features.sum()}, copy.params(), {}, {}, false, /*allow_unused=*/true);
  std::vector<size_t> used;
  for (size_t i = 0; i < gradients.size(); ++i)
    if (gradients[i].defined()) used.push_back(i);
  return used;
}

int64_t epochs_of(Trainer& trainer) {
  const auto& stages = trainer.job().stages;
  return std::accumulate(stages.begin(), stages.end(), int64_t{0}, [](int64_t sum, const StageKnobs& stage) { return sum + stage.epochs; });
}

double accuracy(const Tensor& logits, const Tensor& labels) {
  return logits.argmax(1).cpu().eq(labels).to(at::kDouble).mean().item<double>();
}

}  // namespace

bool BlockPlan::maps() const { return fold && stages.front().size() > 1; }

Net student_for(const BlockPlan& plan, const Net& student, const Teacher& teacher) {
  std::vector<std::string> behind;
  for (const Boundary& boundary : plan.boundaries)
    if (student.tap_shape(boundary.student) != teacher.tap_shape(boundary.teacher)) behind.push_back(boundary.student);
  return plan.maps() && !behind.empty() ? with_linear_maps(student, behind) : student;
}

Wanted BlockObjective::wanted() const {
  Wanted wanted;
  wanted.logits = plan_.w_kd > 0;
  if (plan_.stages.front().size() > 1 || plan_.inner > 0)
    for (const Boundary& boundary : plan_.boundaries) wanted.features.push_back(boundary.teacher);
  return wanted;
}

void BlockObjective::setup(Trainer& trainer) {
  const Net& student = trainer.student();
  const size_t cuts = plan_.boundaries.size();
  in_.assign(cuts, {});
  out_.assign(cuts, {});
  for (size_t k = 0; k < cuts; ++k) {
    const Boundary& boundary = plan_.boundaries[k];
    ends_.push_back(block_position(student, boundary.student) + 1);
    const bool mapped = ends_[k] < student.blocks().size() && student.blocks()[ends_[k]].name == map_name(boundary);
    begins_.push_back(ends_[k] + (mapped ? 1 : 0));
    const Shape ours = student.tap_shape(boundary.student),
                theirs = trainer.teacher() ? trainer.teacher()->tap_shape(boundary.teacher) : ours;
    if (ours == theirs || wanted().features.empty()) continue;
    const Seed seed = trainer.seed().stream("adapters", k);
    out_[k] = adapter(plan_.adapter, ours, theirs, seed.stream("out"));
    trainer.learn(fmt::format("out.{}", k + 1), *out_[k]);
    if (plan_.stages.front().size() == 1) continue;
    in_[k] = adapter(plan_.adapter, theirs, ours, seed.stream("in"));
    trainer.learn(fmt::format("in.{}", k + 1), *in_[k]);
  }
  if (cuts > 0) first_params_ = params_before(student, ends_[0]);
  now_ = plan_.stages.front();
  sync_maps(trainer.student());
}

void BlockObjective::sync_maps(Net& student) const {
  const at::NoGradGuard no_grad;
  for (size_t k = 0; k < plan_.boundaries.size(); ++k) {
    if (merged_.count(k) || begins_[k] == ends_[k] || !in_[k]) continue;
    const auto [weight, bias] = folded_maps(*out_[k], *in_[k]);
    const auto place = [&](const char* name) {
      const auto& names = student.param_names();
      return student.params()[static_cast<size_t>(std::find(names.begin(), names.end(), map_name(plan_.boundaries[k]) + ".map." + name) -
                                                  names.begin())];
    };
    Tensor own_weight = place("weight"), own_bias = place("bias");
    own_weight.copy_(weight.view_as(own_weight));
    own_bias.copy_(bias);
  }
}

void BlockObjective::begin_stage(Trainer& trainer, size_t stage) {
  now_ = plan_.stages[stage];
  sync_maps(trainer.student());
  for (size_t k = 0; k < plan_.boundaries.size(); ++k)
    if (std::find(now_.begin(), now_.end(), static_cast<int64_t>(k) + 1) == now_.end()) merged_.insert(k);
}

void BlockObjective::begin_epoch(Trainer& trainer, int64_t epoch) {
  const bool measures = plan_.noise_share > 0 && !first_params_.empty() && trainer.teacher();
  if (measures && static_cast<double>(epoch) < plan_.noise_share * static_cast<double>(epochs_of(trainer)))
    noises_.push_back(measured_noise(trainer, epoch));
}

Tensor BlockObjective::forward(Trainer& trainer, const Batch& batch, Taps*) {
  return whole() ? trainer.student().forward(batch.inputs) : Tensor();
}

Loss BlockObjective::loss(const Step& step) { return losses_of(step.trainer.student(), now_, step.batch, step.teacher, step.logits); }

// What a segment that begins with this block (from 0) reads: the batch, or the teacher's features, brought to the student's width.
Tensor BlockObjective::entered(size_t block, const Batch& batch, const Signals& teacher) const {
  if (block == 0) return batch.inputs;
  const Tensor& features = teacher.features.at(plan_.boundaries[block - 1].teacher);
  return in_[block - 1] ? in_[block - 1]->forward(features) : features;
}

Loss BlockObjective::losses_of(const Net& student, const Segments& segments, const Batch& batch, const Signals& teacher,
                               Tensor logits) const {
  const size_t blocks = plan_.boundaries.size() + 1;
  Tensor pull, inner;
  const auto add = [](Tensor& sum, const Tensor& part) { sum = sum.defined() ? sum + part : part; };
  const auto distance = [&](size_t k, const Tensor& features) {
    return losses::relative_mse(out_[k] ? out_[k]->forward(features) : features, teacher.features.at(plan_.boundaries[k].teacher));
  };
  size_t begin = 0;  // block, from 0
  for (const int64_t last : segments) {
    const auto end = static_cast<size_t>(last);
    if (logits.defined()) break;
    Tensor features = entered(begin, batch, teacher);
    size_t at = begin == 0 ? 0 : begins_[begin - 1];
    for (size_t block = begin; block < end; ++block) {
      const size_t stop = block + 1 < blocks ? ends_[block] : student.blocks().size();
      features = student.forward_blocks(at, stop, features);
      at = stop;
      if (block + 1 == blocks)
        logits = features;
      else if (block + 1 == end)
        add(pull, distance(block, features));
      else if (plan_.inner > 0)
        add(inner, distance(block, features));
    }
    begin = end;
  }
  Loss loss = label_and_teacher_loss(logits, batch, teacher.logits, plan_.temperature, plan_.w_ce, plan_.w_kd);
  if (pull.defined()) loss.add("features", pull, plan_.feature_weight);
  if (inner.defined()) loss.add("inner features", inner, plan_.inner);
  return loss;
}

BlockObjective::Look BlockObjective::look(Trainer& trainer) const {
  const Dataset& held_out = c_.splits.validation;
  if (held_out.size() == 0) return {};
  Net student = trainer.student().clone();
  sync_maps(student);
  if (!student.buffers().empty()) reestimate_batch_norm(student, prepared_inputs(trainer.data()).to(trainer.run().device));
  const Tensor inputs = prepared_inputs(held_out).to(trainer.run().device);
  Look seen;
  seen.composed = seen.fed = accuracy(predict_logits(student, inputs), held_out.labels);
  if (now_.size() < 2 || !trainer.teacher()->live()) return seen;
  const at::NoGradGuard no_grad;
  const Batch batch{held_out.ids, held_out.labels, inputs, inputs, inputs, {}, false};
  student.train(false);
  const auto begin = static_cast<size_t>(now_[now_.size() - 2]);
  const Signals said = trainer.teacher()->ask(batch.ids, inputs, /*repeats=*/false, wanted());
  seen.fed = accuracy(student.forward_blocks(begins_[begin - 1], student.blocks().size(), entered(begin, batch, said)), held_out.labels);
  return seen;
}

std::pair<double, double> BlockObjective::measured_noise(Trainer& trainer, int64_t epoch) const {
  const Tensor generator = global_generator_state();
  const Dataset& data = trainer.data();
  const int64_t rows = std::min(trainer.job().knobs.batch, data.size());
  Net student = trainer.student().clone();
  student.require_grad(true);
  Tensors first;
  for (const size_t i : first_params_) first.push_back(student.params()[i]);
  GradientNoise noise;
  for (int64_t i = 0; i < plan_.noise_batches; ++i) {
    const Seed seed = trainer.seed().stream("noise", static_cast<uint64_t>(epoch * plan_.noise_batches + i));
    const Dataset drawn = data.take(permutation(data.size(), seed).slice(0, 0, rows));
    const Tensor inputs = prepared_inputs(drawn).to(trainer.run().device);
    const Batch batch{drawn.ids, drawn.labels.to(inputs.device()), inputs, inputs, inputs, {}, true};
    const Signals said = trainer.teacher()->ask(batch.ids, inputs, /*repeats=*/true, wanted());
    const Loss loss = losses_of(student, now_, batch, said, {});
    noise.add(torch::autograd::grad({loss.total()}, first, {}, {}, false, /*allow_unused=*/false));
  }
  set_global_generator_state(generator);
  return {noise.variance(), noise.mean_square()};
}

void BlockObjective::end_epoch(Trainer& trainer, int64_t epoch) {
  sync_maps(trainer.student());
  const int64_t epochs = epochs_of(trainer);
  // Statistics of blocks that were fed by the teacher are not those of the whole.
  const bool merges = plan_.stages.front().size() > 1;
  if (merges && epoch + 1 == epochs && !trainer.student().buffers().empty())
    reestimate_batch_norm(trainer.student(), prepared_inputs(trainer.data()).to(trainer.run().device));
  looks_.push_back(look(trainer));
}

double BlockObjective::noise() const {
  double variance = 0, mean_square = 0;
  for (const auto& [v, m] : noises_) variance += v, mean_square += m;
  return mean_square > 0 ? variance / mean_square : 0;
}

double BlockObjective::noise_at_start() const {
  return noises_.empty() || noises_.front().second == 0 ? 0 : noises_.front().first / noises_.front().second;
}

State BlockObjective::state() const {
  State state;
  state.values = {{"merged", merged_}, {"noises", noises_}, {"looks", nlohmann::json::array()}};
  for (const Look& look : looks_) state.values["looks"].push_back({look.composed, look.fed});
  return state;
}

void BlockObjective::load(const State& state) {
  merged_ = state.values.at("merged").get<std::set<size_t>>();
  noises_ = state.values.at("noises").get<std::vector<std::pair<double, double>>>();
  looks_.clear();
  for (const auto& look : state.values.at("looks")) looks_.push_back({look.at(0), look.at(1)});
}

}  // namespace retort::features
