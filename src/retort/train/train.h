// The supervised skeleton: owns the loop, checkpoints, metrics, interrupts, evaluation; a method only says its loss.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "retort/base/run.h"
#include "retort/data/loader.h"
#include "retort/teachers/teacher.h"
#include "retort/train/optimiser.h"

namespace retort {

struct TrainKnobs {
  int64_t epochs = 40, batch = 64, accumulate = 1, workers = 0, early_stop = 0, eval_every = 1, labelled = 0;
  double clip_norm = 0, ema = 0;
  bool drop_last = false, shuffle = true;
  std::string keep = "last";        // last | best: which weights training ends with; best needs a validation part
  std::vector<std::string> freeze;  // parameter names (prefix*) that stay as they are
  OptimiserKnobs optimiser;
  ScheduleKnobs schedule;
  void describe(Knobs& knobs);
};

// A named, weighted sum: what a method returns for a step. Terms are logged one by one, and a NaN is blamed on its term.
struct Term {
  std::string name;
  double weight;
  Tensor value;  // scalar
};
class Loss {
 public:
  Loss& add(std::string name, Tensor value, double weight = 1);  // weight 0 leaves the term out of the graph but logs it
  const std::vector<Term>& terms() const { return terms_; }
  Tensor total() const;

 private:
  std::vector<Term> terms_;
};

// One part of a training with its own frozen parameters and its own run of the schedule, [[train.stages]].
struct StageKnobs {
  std::string name;
  int64_t epochs = 1;
  double lr_scale = 1;
  std::vector<std::string> freeze;
  void describe(Knobs& knobs);
};

class Trainer;

// What a method sees at a step.
struct Step {
  Trainer& trainer;
  const Batch& batch;
  Tensor logits;           // the student's, [b, classes]
  const TensorMap& taps;   // the student's features, as asked for in Objective::student_taps
  const Signals& teacher;  // as asked for in Objective::wanted (empty without a teacher)
  int64_t step, total_steps, epoch, epochs;
  size_t stage;
  const Tensor& labels() const { return batch.labels; }
};

// Cross-entropy with the labels of the step: mixed targets where views are mixed; unlabelled rows do not count.
Tensor label_loss(const Step& step);
// The same for the logits of another net that saw the batch.
Tensor label_loss(const Tensor& logits, const Batch& batch);

// w_ce times that and w_kd * T^2 KL(teacher || student), terms "ce" and "kd": in one pass where both count and the labels are plain.
Loss label_and_teacher_loss(const Tensor& logits, const Batch& batch, const Tensor& teacher_logits, double temperature, double w_ce,
                            double w_kd);

// A method's part of a training run. Stateless losses use `objective(lambda)`.
class Objective {
 public:
  virtual ~Objective() = default;
  // Both are asked once, after setup().
  virtual std::vector<std::string> student_taps() const { return {}; }
  virtual Wanted wanted() const { return {}; }
  // Once, before the first step: make projectors (trainer.learn), memory banks, checks against the data.
  virtual void setup(Trainer& trainer) {}
  // The student's forward pass; override to run other weights or single blocks.
  virtual Tensor forward(Trainer& trainer, const Batch& batch, Taps* taps);
  virtual Loss loss(const Step& step) = 0;
  virtual void after_step(const Step& step) {}
  // Turns a copy of the student into what will be used in its place (quantised weights, say): that is what evaluations score and keep.
  virtual void deploy(Net& net) const {}
  virtual void begin_stage(Trainer& trainer, size_t stage) {}
  virtual void begin_epoch(Trainer& trainer, int64_t epoch) {}
  virtual void end_epoch(Trainer& trainer, int64_t epoch) {}
  // State beside the registered nets (memory banks, running statistics), for checkpoints.
  virtual State state() const { return {}; }
  virtual void load(const State& state) {}
};

std::unique_ptr<Objective> objective(Wanted wanted, std::function<Loss(const Step&)> loss);
std::unique_ptr<Objective> label_objective();  // label_loss alone, as the term "ce"

struct TrainJob {
  std::string phase = "student";  // names the checkpoint and the rows of metrics.jsonl
  Net* student = nullptr;         // trained in place
  Teacher* teacher = nullptr;     // may be null
  Objective* objective = nullptr;
  const Dataset* train = nullptr;
  const Dataset* validation = nullptr;  // may be null or empty
  TrainKnobs knobs;
  std::vector<StageKnobs> stages;  // empty: one stage of knobs.epochs
  ViewKnobs views;
  Seed seed;
};

struct TrainResult {
  int64_t steps = 0, epochs = 0, best_epoch = -1;
  double seconds = 0, best_score = 0;
  bool stopped_early = false;
};

// The running loop, as objectives see it.
class Trainer {
 public:
  Trainer(Run& run, TrainJob job);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;
  // Throws DivergenceError (names term and step), Interrupted (after a checkpoint), AccessError (the teacher shows too little).
  TrainResult train();

  Run& run();
  const TrainJob& job() const;
  Net& student();
  Teacher* teacher();
  const Dataset& data() const;
  int64_t steps_per_epoch() const;
  // Registers a helper net (projector, discriminator, peer) that learns beside the student: optimised, checkpointed, dropped at the end.
  // The net stays owned by the objective. Settings default to the student's.
  void learn(const std::string& name, Net& helper, double lr_scale = 1, const OptimiserKnobs* settings = nullptr);
  Optimiser& optimiser();
  double lr_factor() const;
  // A fixed key of this phase, for streams that objectives need.
  Seed seed() const;

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

// Logits of every row in eval mode, in batches: [n, outputs].
Tensor predict_logits(const Net& net, const Tensor& inputs, int64_t batch = 500);

// Brings the running statistics of batch-norm layers to what the weights make of these inputs now: passes in training mode, without gradients, enough
// of them that what was before has no part in it. Does nothing for nets without such layers.
void reestimate_batch_norm(Net& net, const Tensor& inputs, int64_t batch = 128);

// The weights that a finished phase of the run ended with, into a net of the same architecture. Throws DataError where there is no such phase.
void load_phase(const Run& run, const std::string& phase, Net& net);

// Runs a phase of the run to its end, or returns at once with the stored weights where a resumed run had finished it.
TrainResult train(Run& run, TrainJob job);

}  // namespace retort
