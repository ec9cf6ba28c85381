#include "retort/methods/blackbox/mekd_generator.h"

#include "retort/base/error.h"
#include "retort/base/safetensors.h"
#include "retort/data/pixels.h"
#include "retort/methods/blackbox/mekd.h"
#include "retort/train/adversary.h"

namespace retort::blackbox {

Tensor as_read(const Tensor& made, const InputSpec& spec) { return prepare((made + 1) / 2, spec); }
Tensor as_made(const Tensor& prepared, const InputSpec& spec) { return unit_pixels(prepared, spec) * 2 - 1; }

void GeneratorKnobs::describe(Knobs& knobs) {
  knobs("generator", generator, "a generator.safetensors of an earlier run, instead of training one");
  knobs("width", width, "channels of the generator's first maps", at_least(2));
  knobs("discriminator_width", discriminator_width, "channels of the discriminator's first maps", at_least(1));
  knobs("w_im", w_im,
        "weight of L_IM: images that the teacher is sure of are pushed harder to look real; costs a call an image in soft mode",
        at_least(0));
  knobs("w_inverse", w_inverse, "weight of |G(f_T(G(z))/tau_g) - G(z)| while the generator learns; costs a call an image", at_least(0));
  knobs("untrained", untrained, "leave the generator as it was drawn, for comparison");
}

void check_codes(const Net& generator, int64_t classes) {
  const int64_t code = generator.input_shape().front();
  if (code != classes) {
    throw ConfigError(
        fmt::format("the generator makes images of {} numbers and the teacher answers with {}: answers must be its codes", code, classes),
        "train one for these classes: take knobs.generator out");
  }
}

namespace {

// The student of this training is the generator; its opponent steps first, on other images.
class GeneratorObjective final : public Objective {
 public:
  GeneratorObjective(const GeneratorKnobs& knobs, Adversary& opponent, const Answers& ask, double tau_g, CountedTeacher& api)
      : knobs_(knobs), opponent_(opponent), ask_(ask), tau_g_(tau_g), api_(api) {}

  Tensor forward(Trainer& trainer, const Batch& batch, Taps*) override { return make(trainer, batch.size()); }

  Loss loss(const Step& step) override {
    Trainer& trainer = step.trainer;
    const Tensor real = as_made(step.batch.inputs, trainer.data().spec);
    Tensor others;
    {
      const at::NoGradGuard no_grad;
      others = make(trainer, real.size(0));
    }
    const Tensor against = opponent_.learn(real, others, trainer.lr_factor());
    const Tensor& made = step.logits;
    const Tensor verdict = opponent_.verdict(made);
    Loss loss;
    loss.add("generator", generator_loss(verdict)).add("discriminator", against, 0);
    const Tensor said = ask_ ? ask_(made.detach()) : Tensor();
    if (knobs_.w_im > 0)
      loss.add("im", strength_loss(verdict, said.defined() ? response_strength(said) : at::ones_like(verdict).detach()), knobs_.w_im);
    if (knobs_.w_inverse > 0)
      loss.add("inverse", (trainer.student().forward(said / tau_g_) - made.detach()).abs().mean(), knobs_.w_inverse);
    return loss;
  }

  State state() const override {
    State state = opponent_.state();
    state.values["drawn"] = drawn_;
    state.values["calls"] = api_.calls();
    return state;
  }
  void load(const State& state) override {
    opponent_.load(state);
    drawn_ = state.values.at("drawn");
    api_.count_from(state.values.at("calls"));
  }

 private:
  const GeneratorKnobs& knobs_;
  Adversary& opponent_;
  const Answers& ask_;
  double tau_g_;
  CountedTeacher& api_;
  uint64_t drawn_ = 0;

  Tensor make(Trainer& trainer, int64_t rows) {
    const Net& generator = trainer.student();
    const Tensor codes = at::empty({rows, generator.input_shape().front()})
                             .normal_(0, 1, trainer.seed().stream("codes", drawn_++).generator());
    return generator.forward(codes);
  }
};

Net read_generator(const std::string& path, const GeneratorPlan& plan, Seed seed) {
  const SafetensorsFile file = read_safetensors(path);
  const auto start = file.tensors.find("start.weight"), conv = file.tensors.find("conv1.weight");
  if (start == file.tensors.end() || conv == file.tensors.end() || start->second.dim() != 2)
    throw DataError(path + ": not a generator", "give the generator.safetensors of a run of mekd");
  GeneratorPlan own = plan;
  own.code = start->second.size(1);
  own.width = conv->second.size(0);
  Net net = image_generator(own, seed);
  net.load(file.tensors, path);
  return net;
}

}  // namespace

Net local_generator(ClassifierRun& c, const GeneratorKnobs& knobs, const TrainKnobs& training, const Dataset& local, const Answers& ask,
                    double tau_g, CountedTeacher& api) {
  const Seed seed = c.run.seed.stream("generator");
  const GeneratorPlan plan{local.classes(), local.spec.shape, knobs.width, /*centred=*/true, /*normal_linear=*/false};
  Net generator = knobs.generator.empty() ? image_generator(plan, seed.stream("net")) : read_generator(knobs.generator, plan, seed);
  check_codes(generator, local.classes());
  if (knobs.generator.empty() && knobs.untrained) {
    reestimate_batch_norm(generator, at::empty({1000, plan.code}).normal_(0, 1, seed.stream("codes").generator()));
  } else if (knobs.generator.empty()) {
    if (local.size() < training.batch) {
      throw ConfigError(fmt::format("knobs.gan.batch: {} local images do not fill a batch of {}", local.size(), training.batch),
                        "lower knobs.gan.batch, or raise the number of local images");
    }
    Adversary opponent(image_discriminator(local.spec.shape, knobs.discriminator_width, seed.stream("discriminator")), training.optimiser);
    GeneratorObjective objective(knobs, opponent, ask, tau_g, api);
    TrainJob job = c.job("generator", generator, objective);
    job.teacher = nullptr;
    job.train = &local;
    job.validation = nullptr;
    job.knobs = training;
    job.knobs.drop_last = true;
    job.stages.clear();
    job.views = {};
    train(c.run, job);
  }
  c.run.save("generator.safetensors", State{generator.named_tensors(), {}});
  return generator.frozen();
}

}  // namespace retort::blackbox
