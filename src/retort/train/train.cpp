#include "retort/train/train.h"

#include <filesystem>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/interrupt.h"
#include "retort/base/progress.h"
#include "retort/base/threads.h"
#include "retort/stats/classification.h"

namespace retort {
namespace {

constexpr int64_t kLogPoints = 200;  // training rows a phase writes to metrics.jsonl, about

struct Helper {
  std::string name;
  Net* net;
};

bool matches(const std::string& name, const std::string& pattern) {
  if (!pattern.empty() && pattern.back() == '*') return name.compare(0, pattern.size() - 1, pattern, 0, pattern.size() - 1) == 0;
  return name == pattern || name.compare(0, pattern.size() + 1, pattern + ".") == 0;
}

// Parameters named by the patterns stop asking for a gradient. Throws ConfigError for a pattern that names none.
void apply_freeze(Net& net, const std::vector<std::string>& always, const std::vector<std::string>& now) {
  std::vector<std::string> patterns = always;
  patterns.insert(patterns.end(), now.begin(), now.end());
  net.require_grad(true);
  for (const auto& pattern : patterns) {
    bool used = false;
    for (size_t i = 0; i < net.params().size(); ++i) {
      if (!matches(net.param_names()[i], pattern)) continue;
      Tensor param = net.params()[i];
      param.set_requires_grad(false);
      used = true;
    }
    if (!used) {
      throw ConfigError(fmt::format("train.freeze: no parameter of the student is called '{}'", pattern),
                        fmt::format("names look like '{}'; end one with * for a prefix", net.param_names().front()));
    }
  }
}

// Waking threads costs more than they save where a step is short; convolutions always have enough to do.
bool is_small_work(const Net& net, int64_t batch) {
  const bool convolutional = std::any_of(net.params().begin(), net.params().end(),
                                         [](const Tensor& t) { return t.dim() == 4 && t.size(2) > 1; });
  return !convolutional && net.param_count() * batch < (int64_t{1} << 24);
}

bool all_finite(const Net& net) {
  return std::all_of(net.params().begin(), net.params().end(), [](const Tensor& t) { return t.isfinite().all().item<bool>(); });
}

}  // namespace

void TrainKnobs::describe(Knobs& knobs) {
  knobs("epochs", epochs, "passes over the training part", at_least(1));
  knobs("batch", batch, "samples a step, per process", at_least(1));
  knobs(
      "labelled", labelled,
      "samples of every batch that have labels, drawn again and again, where data.keep_unlabelled leaves others; 0 takes them as they come",
      at_least(0));
  knobs("accumulate", accumulate, "batches whose gradients are summed before an update", at_least(1));
  knobs("workers", workers, "threads that prepare batches ahead; 0 prepares them in the loop", at_least(0));
  knobs("shuffle", shuffle, "visit the samples in a new order every epoch");
  knobs("drop_last", drop_last, "leave out a last, smaller batch");
  knobs("clip_norm", clip_norm, "largest norm of the gradient; 0 for no limit", at_least(0));
  knobs("ema", ema, "decay of an average of the weights that is evaluated and kept; 0 for none", between(0, 1));
  knobs("eval_every", eval_every, "epochs between evaluations on the validation part; 0 for none", at_least(0));
  knobs("early_stop", early_stop, "stop after so many evaluations without a better accuracy; 0 never", at_least(0));
  knobs("keep", keep, "weights that training ends with; best needs a validation part", one_of({"last", "best"}));
  knobs("freeze", freeze, "parameters that stay as they are: names, module names, or prefixes with *");
  optimiser.describe(knobs);
  schedule.describe(knobs);
}

void StageKnobs::describe(Knobs& knobs) {
  knobs("name", name, "name of the stage in messages");
  knobs("epochs", epochs, "passes over the training part", at_least(1));
  knobs("lr_scale", lr_scale, "factor on the learning rate", above(0));
  knobs("freeze", freeze, "parameters that stay as they are during this stage, besides train.freeze");
}

struct Trainer::Body {
  Run& run;
  TrainJob job;
  Optimiser optimiser;
  std::vector<Helper> helpers;
  std::vector<StageKnobs> stages;
  std::unique_ptr<Loader> loader;
  int64_t steps_per_epoch = 0, epochs = 0, total_steps = 0;

  // Where training stands; all of it goes into checkpoints.
  int64_t step = 0, epoch = 0, step_in_epoch = 0;
  size_t stage = 0;
  Tensors average;  // EMA of the student's parameters
  TensorMap best;
  double best_score = -1, seconds_before = 0;
  int64_t best_epoch = -1, stale_evaluations = 0, log_length = 0;
  bool stopped_early = false;
  std::map<std::string, double> sums;  // of the terms since the last logged row
  int64_t summed = 0;

  double factor = 1;
  Tensor validation_inputs;
  std::chrono::steady_clock::time_point started, last_checkpoint;

  Body(Run& r, TrainJob j) : run(r), job(std::move(j)) {}

  std::string file(const std::string& ending) const { return run.file(fmt::format("checkpoints/{}.{}", job.phase, ending)); }

  double elapsed() const { return seconds_before + std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count(); }

  // The stage an epoch belongs to, and the steps of that stage: [first, last).
  std::pair<int64_t, int64_t> stage_span(size_t index) const {
    int64_t first = 0;
    for (size_t i = 0; i < index; ++i) first += stages[i].epochs;
    return {first * steps_per_epoch, (first + stages[index].epochs) * steps_per_epoch};
  }

  State state() {
    State all;
    const auto add_net = [&](const std::string& name, const Net& net) { all.put(name, State{net.named_tensors(), {}}); };
    add_net("student", *job.student);
    for (const auto& helper : helpers) add_net("helper." + helper.name, *helper.net);
    all.put("optimiser", optimiser.state());
    all.put("objective", job.objective->state());
    State here;
    for (size_t i = 0; i < average.size(); ++i) here.tensors["average." + job.student->param_names()[i]] = average[i];
    for (const auto& [name, tensor] : best) here.tensors["best." + name] = tensor;
    here.tensors["generator"] = global_generator_state();
    here.values = {{"step", step},
                   {"epoch", epoch},
                   {"step_in_epoch", step_in_epoch},
                   {"best_score", best_score},
                   {"best_epoch", best_epoch},
                   {"stale_evaluations", stale_evaluations},
                   {"seconds", elapsed()},
                   {"summed", summed},
                   {"sums", sums},
                   {"stopped_early", stopped_early},
                   {"log_length", run.log ? run.log->length() : 0}};
    all.put("trainer", here);
    return all;
  }

  void load(const State& all) {
    job.student->load(all.take("student").tensors, file("safetensors"));
    for (const auto& helper : helpers) helper.net->load(all.take("helper." + helper.name).tensors, file("safetensors"));
    optimiser.load(all.take("optimiser"));
    job.objective->load(all.take("objective"));
    const State here = all.take("trainer");
    for (size_t i = 0; i < average.size(); ++i) average[i].copy_(here.tensor("average." + job.student->param_names()[i]));
    for (const auto& [name, tensor] : here.tensors) {
      if (name.rfind("best.", 0) == 0) best[name.substr(5)] = tensor;
    }
    set_global_generator_state(here.tensor("generator"));
    const auto& v = here.values;
    step = v.at("step");
    epoch = v.at("epoch");
    step_in_epoch = v.at("step_in_epoch");
    best_score = v.at("best_score");
    best_epoch = v.at("best_epoch");
    stale_evaluations = v.at("stale_evaluations");
    seconds_before = v.at("seconds");
    summed = v.at("summed");
    sums = v.at("sums").get<std::map<std::string, double>>();
    stopped_early = v.at("stopped_early");
    log_length = v.at("log_length");
  }

  void checkpoint() {
    if (run.group.leader()) save_state(file("safetensors"), state());
    last_checkpoint = std::chrono::steady_clock::now();
  }

  // Averages gradients over the processes, each weighted by its share of the global batch, in one message.
  void reduce_gradients(int64_t rows) {
    if (run.group.size() == 1) return;
    at::NoGradGuard no_grad;
    Tensors grads = optimiser.grads(), flat;
    for (const auto& grad : grads) flat.push_back(grad.reshape({-1}) * static_cast<double>(rows));
    flat.push_back(at::full({1}, static_cast<double>(rows), flat.front().options()));
    Tensor bucket = at::cat(flat);
    run.group.all_reduce_mean(bucket);
    const Tensor scaled = bucket.slice(0, 0, -1) / bucket[-1];
    int64_t offset = 0;
    for (auto& grad : grads) {
      grad.copy_(scaled.slice(0, offset, offset + grad.numel()).view_as(grad));
      offset += grad.numel();
    }
  }

  void update_average() {
    if (average.empty()) return;
    at::NoGradGuard no_grad;
    for (size_t i = 0; i < average.size(); ++i) average[i].lerp_(job.student->params()[i], 1 - job.knobs.ema);
  }

  // The weights that count: the average where one is kept.
  Net current() const {
    Net net = job.student->clone();
    if (!average.empty()) {
      at::NoGradGuard no_grad;
      for (size_t i = 0; i < average.size(); ++i) {
        Tensor param = net.params()[i];
        param.copy_(average[i]);
      }
    }
    net.train(false);
    job.objective->deploy(net);
    return net;
  }

  void log_step(const Loss& loss, double total) {
    for (const auto& term : loss.terms()) sums["term." + term.name] += term.value.item<double>();
    sums["loss"] += total;
    ++summed;
    const int64_t every = std::max<int64_t>(1, total_steps / kLogPoints);
    if ((step + 1) % every != 0 && step + 1 != total_steps) return;
    nlohmann::json row = {
        {"phase", job.phase}, {"kind", "train"}, {"step", step + 1}, {"epoch", epoch}, {"lr", factor * job.knobs.optimiser.lr}};
    for (const auto& [name, sum] : sums) row[name] = sum / static_cast<double>(summed);
    if (run.group.size() > 1) {
      for (const auto& [name, sum] : sums) {
        Tensor value = at::full({1}, sum / static_cast<double>(summed), at::kDouble);
        run.group.all_reduce_mean(value);
        row[name] = value.item<double>();
      }
    }
    if (run.log) run.log->add(row);
    sums.clear();
    summed = 0;
  }

  void check_finite(const Loss& loss, double total) {
    if (std::isfinite(total)) return;
    std::string culprit = "the sum of its terms";
    for (const auto& term : loss.terms()) {
      if (!std::isfinite(term.value.item<double>())) {
        culprit = fmt::format("term '{}'", term.name);
        break;
      }
    }
    // The weights of before this step are the last good ones, unless they have gone as well.
    if (all_finite(*job.student)) checkpoint();
    throw DivergenceError(fmt::format("{}: the loss is {} at step {} (epoch {}), first in {}", job.phase,
                                      std::isnan(total) ? "NaN" : "infinite", step + 1, epoch + 1, culprit),
                          fmt::format("lower train.lr or set train.clip_norm; the last good weights are in {}", file("safetensors")));
  }

  // True when training should stop early.
  bool evaluate() {
    if (job.validation == nullptr || job.validation->size() == 0 || job.knobs.eval_every == 0) return false;
    if ((epoch + 1) % job.knobs.eval_every != 0 && epoch + 1 != epochs) return false;
    for (const Tensor& buffer : job.student->buffers()) {  // running statistics differ between processes; the leader's count
      Tensor shared = buffer;
      run.group.broadcast(shared);
    }
    const Net net = current();
    if (!validation_inputs.defined()) validation_inputs = prepared_inputs(*job.validation).to(run.device);
    const Scores scores = score_classifier(predict_logits(net, validation_inputs).cpu(), job.validation->labels);
    if (run.log) {
      run.log->add({{"phase", job.phase},
                    {"kind", "eval"},
                    {"step", step},
                    {"epoch", epoch},
                    {"accuracy", 100 * scores.accuracy},
                    {"nll", scores.nll},
                    {"ece", 100 * scores.ece}});
    }
    if (scores.accuracy > best_score) {
      best_score = scores.accuracy;
      best_epoch = epoch;
      stale_evaluations = 0;
      if (job.knobs.keep == "best") {
        best.clear();
        for (const auto& [name, tensor] : net.named_tensors()) best[name] = tensor.detach().clone();
      }
    } else {
      ++stale_evaluations;
    }
    return job.knobs.early_stop > 0 && stale_evaluations >= job.knobs.early_stop;
  }

  // Training ends with the best or the averaged weights where the recipe asks for them; the phase is then done for good.
  void settle() {
    if (job.knobs.keep == "best" && !best.empty()) {
      job.student->load(best, "the best evaluation");
      best.clear();
    } else if (!average.empty()) {
      job.student->copy_from(current());
    }
    job.student->train(false);
    if (!run.group.leader()) return;
    save_state(file("done.safetensors"), state());
    std::filesystem::remove(file("safetensors"));
    run.log_mark = run.log ? run.log->length() : 0;
  }

  TrainResult result() const {
    TrainResult result;
    result.steps = step;
    result.epochs = epoch;
    result.best_epoch = best_epoch;
    result.best_score = best_score;
    result.seconds = elapsed();
    result.stopped_early = stopped_early;
    return result;
  }
};

Trainer::Trainer(Run& run, TrainJob job) : body_(std::make_unique<Body>(run, std::move(job))) {}
Trainer::~Trainer() = default;

Run& Trainer::run() { return body_->run; }
const TrainJob& Trainer::job() const { return body_->job; }
Net& Trainer::student() { return *body_->job.student; }
Teacher* Trainer::teacher() { return body_->job.teacher; }
const Dataset& Trainer::data() const { return *body_->job.train; }
int64_t Trainer::steps_per_epoch() const { return body_->steps_per_epoch; }
Optimiser& Trainer::optimiser() { return body_->optimiser; }
double Trainer::lr_factor() const { return body_->factor; }
Seed Trainer::seed() const { return body_->job.seed.stream(body_->job.phase); }

void Trainer::learn(const std::string& name, Net& helper, double lr_scale, const OptimiserKnobs* settings) {
  helper.to(body_->run.device);
  helper.require_grad(true);
  helper.train(true);
  body_->helpers.push_back({name, &helper});
  body_->optimiser.add({name, helper.params(), settings != nullptr ? *settings : body_->job.knobs.optimiser, lr_scale});
}

TrainResult Trainer::train() {
  Body& b = *body_;
  TrainJob& job = b.job;
  Run& run = b.run;
  Net& student = *job.student;
  b.stages = job.stages;
  if (b.stages.empty()) {
    StageKnobs whole;
    whole.epochs = job.knobs.epochs;
    b.stages.push_back(whole);
  }
  for (const auto& stage : b.stages) b.epochs += stage.epochs;
  LoaderKnobs loading;
  loading.batch = job.knobs.batch;
  loading.labelled = job.knobs.labelled;
  loading.shuffle = job.knobs.shuffle;
  loading.drop_last = job.knobs.drop_last;
  loading.workers = job.knobs.workers;
  b.loader = std::make_unique<Loader>(*job.train, loading, job.views, seed().stream("loader"), run.group.rank(), run.group.size());
  b.steps_per_epoch = b.loader->steps();
  if (b.steps_per_epoch == 0)
    throw DataError(fmt::format("{}: the training part holds no batch of {}", job.phase, job.knobs.batch),
                    "lower train.batch or set train.drop_last = false");
  b.total_steps = b.epochs * b.steps_per_epoch;
  const int64_t last_step = run.place.max_steps > 0 ? std::min(run.place.max_steps, b.total_steps) : b.total_steps;

  seed_global_generator(seed().stream("torch"));
  student.to(run.device);
  student.train(true);
  student.require_grad(true);
  for (const Tensor& param : student.params()) {
    Tensor shared = param.detach();
    run.group.broadcast(shared);
  }
  b.optimiser.add({"student", student.params(), job.knobs.optimiser});
  job.objective->setup(*this);
  const Wanted wanted = job.objective->wanted();
  const bool asks = access_for(wanted) > Access::none;
  if (asks && job.teacher == nullptr) {
    throw AccessError(fmt::format("{}: the method needs a teacher and the recipe has none", job.phase), "add a [teacher] section");
  }
  if (asks) job.teacher->serve(*job.train);
  if (job.knobs.ema > 0) {
    for (const Tensor& param : student.params()) b.average.push_back(param.detach().clone());
  }

  b.started = b.last_checkpoint = std::chrono::steady_clock::now();
  if (run.resume && file_exists(b.file("done.safetensors"))) {
    b.load(load_state(b.file("done.safetensors")));
    run.log_mark = b.log_length;
    return b.result();
  }
  const bool resumed = run.resume && file_exists(b.file("safetensors"));
  if (resumed) b.load(load_state(b.file("safetensors")));
  if (run.resume && run.log) run.log->cut(resumed ? b.log_length : run.log_mark);
  use_threads(run.place.threads, is_small_work(student, job.knobs.batch));

  Taps taps;
  taps.wanted = job.objective->student_taps();
  size_t entered = b.stages.size();
  Progress progress(job.phase, last_step, run.quiet || !run.group.leader());
  Batch batch;
  while (b.step < last_step && !b.stopped_early) {
    while (b.step >= b.stage_span(b.stage).second) ++b.stage;
    if (entered != b.stage) {
      entered = b.stage;
      apply_freeze(student, job.knobs.freeze, b.stages[b.stage].freeze);
      job.objective->begin_stage(*this, b.stage);
    }
    if (b.step_in_epoch == 0) job.objective->begin_epoch(*this, b.epoch);
    b.loader->begin(b.epoch, b.step_in_epoch);
    const auto [stage_first, stage_last] = b.stage_span(b.stage);
    while (b.step < last_step && b.loader->next(batch)) {
      if (!run.device.is_cpu()) {
        batch.labels = batch.labels.to(run.device);
        const bool shared = batch.teacher_inputs.is_same(batch.inputs);
        batch.inputs = batch.inputs.to(run.device);
        batch.teacher_inputs = shared ? batch.inputs : batch.teacher_inputs.to(run.device);
        if (batch.targets.defined()) batch.targets = batch.targets.to(run.device);
      }
      b.factor = job.knobs.schedule.factor(b.step - stage_first, stage_last - stage_first) * b.stages[b.stage].lr_scale;
      const Signals signals = asks ? job.teacher->ask(batch.ids, batch.teacher_inputs, batch.repeats, wanted) : Signals{};
      taps.found.clear();
      const Tensor logits = job.objective->forward(*this, batch, taps.wanted.empty() ? nullptr : &taps);
      const Step step{*this, batch, logits, taps.found, signals, b.step, b.total_steps, b.epoch, b.epochs, b.stage};
      const Loss loss = job.objective->loss(step);
      Tensor total = loss.total();
      const double value = total.item<double>();
      b.check_finite(loss, value);
      if (job.knobs.accumulate > 1) total = total / static_cast<double>(job.knobs.accumulate);
      total.backward();
      const bool updates = (b.step_in_epoch + 1) % job.knobs.accumulate == 0 || b.step_in_epoch + 1 == b.steps_per_epoch ||
                           b.step + 1 == last_step;
      if (updates) {
        b.reduce_gradients(batch.size());
        if (job.knobs.clip_norm > 0) b.optimiser.clip_grad_norm(job.knobs.clip_norm);
        b.optimiser.step(b.factor);
        b.optimiser.zero_grad();
        b.update_average();
      }
      job.objective->after_step(step);
      b.log_step(loss, value);
      ++b.step;
      ++b.step_in_epoch;
      progress.advance_to(b.step, fmt::format("loss {:.4f}", value));
      const bool interrupted = interrupt_requested();
      const double since = std::chrono::duration<double>(std::chrono::steady_clock::now() - b.last_checkpoint).count();
      if (updates && b.step_in_epoch < b.steps_per_epoch && (interrupted || since >= run.place.checkpoint_seconds)) b.checkpoint();
      if (updates && interrupted && b.step_in_epoch < b.steps_per_epoch) {
        throw Interrupted(fmt::format("{}: stopped at step {} of {}", job.phase, b.step, last_step),
                          "go on with --resume --dir " + run.dir);
      }
    }
    job.objective->end_epoch(*this, b.epoch);
    b.stopped_early = b.evaluate();
    ++b.epoch;
    b.step_in_epoch = 0;
    const double since = std::chrono::duration<double>(std::chrono::steady_clock::now() - b.last_checkpoint).count();
    if (interrupt_requested() || since >= run.place.checkpoint_seconds) b.checkpoint();
    if (interrupt_requested() && b.step < last_step) {
      throw Interrupted(fmt::format("{}: stopped at step {} of {}", job.phase, b.step, last_step), "go on with --resume --dir " + run.dir);
    }
  }
  b.settle();
  progress.finish();
  return b.result();
}

Tensor predict_logits(const Net& net, const Tensor& inputs, int64_t batch) {
  at::NoGradGuard no_grad;
  const Net ready = net.frozen();
  Tensors parts;
  for (int64_t first = 0; first < inputs.size(0); first += batch)
    parts.push_back(ready.forward(inputs.slice(0, first, std::min(first + batch, inputs.size(0)))));
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

void reestimate_batch_norm(Net& net, const Tensor& inputs, int64_t batch) {
  constexpr int64_t kLeastPasses = 50;  // 0.9^50 of the old statistics is left
  if (net.buffers().empty() || inputs.size(0) < 2) return;
  const at::NoGradGuard no_grad;
  const bool before = net.training();
  net.train(true);
  const int64_t rows = inputs.size(0), size = std::min(batch, rows);
  for (int64_t pass = 0, first = 0; pass < std::max(kLeastPasses, rows / size);
       ++pass, first = first + 2 * size <= rows ? first + size : 0) {
    net.forward(inputs.slice(0, first, first + size));
  }
  net.train(before);
}

void load_phase(const Run& run, const std::string& phase, Net& net) {
  const std::string path = run.file(fmt::format("checkpoints/{}.done.safetensors", phase));
  net.load(load_state(path).take("student").tensors, path);
}

TrainResult train(Run& run, TrainJob job) { return Trainer(run, std::move(job)).train(); }

}  // namespace retort
