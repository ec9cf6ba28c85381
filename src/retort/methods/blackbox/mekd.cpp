#include "retort/methods/blackbox/mekd.h"

#include <optional>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/progress.h"
#include "retort/data/image.h"
#include "retort/data/pixels.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/blackbox/mekd_generator.h"

namespace retort::blackbox {

Tensor response_strength(const Tensor& logits) { return std::get<0>(logits.detach().softmax(1).max(1)); }

Tensor strength_loss(const Tensor& verdict, const Tensor& strength) {
  if (verdict.dim() != 1 || verdict.sizes() != strength.sizes()) {
    throw ConfigError(fmt::format("strength_loss: verdicts [{}] and strengths [{}]; expected [batch] and [batch]",
                                  fmt::join(verdict.sizes(), ", "), fmt::join(strength.sizes(), ", ")));
  }
  return -(strength.detach() * (verdict.sigmoid() + 1e-5).log()).mean();
}

Tensor centred_log_probabilities(const Tensor& probabilities) {
  const Tensor logs = probabilities.clamp_min(1e-6).log();
  return logs - logs.mean(1, /*keepdim=*/true);
}

Tensor hard_answers(const Tensor& logits) { return at::one_hot(logits.argmax(1), logits.size(1)).to(logits.scalar_type()); }

Tensor image_distance(const Tensor& ours, const Tensor& theirs, bool squared) {
  const Tensor apart = ours - theirs;
  return squared ? apart.square().mean() : apart.abs().mean();
}

MekdLoss mekd_loss(const Tensor& student, const Tensor& teacher, const MakeImages& generate, double tau, double tau_g, bool squared) {
  const Tensor theirs = generate(teacher.detach() / tau_g).detach();
  return {image_distance(generate(student / tau_g), theirs, squared), tau * losses::kl(student, teacher, {tau})};
}

namespace {

constexpr double kStarved = 0.02;  // share of the pool under which a class has too little to teach

struct MekdKnobs {
  std::string response = "soft", answers = "logits", queries = "pool", image_loss = "l1", images = "generated";
  int64_t pool = 3000, budget = 0;
  double tau = 5, tau_g = 5, w_f = 1, w_kl = 1, w_ce = 0, tilt = 0, noise = 0;
  GeneratorKnobs generator;
  void describe(Knobs& knobs) {
    knobs("response", response, "soft: learn from whole answers; hard: from decisions alone", one_of({"soft", "hard"}));
    knobs("answers", answers, "what a soft answer is: logits, or probabilities, which become centred logarithms",
          one_of({"logits", "probabilities"}));
    knobs("queries", queries,
          "pool: ask once about `pool` images and learn from them; fresh: ask about new images at every step, as the paper does",
          one_of({"pool", "fresh"}));
    knobs("pool", pool, "images that the teacher is asked about, a call each", at_least(1));
    knobs("budget", budget, "most calls of the whole run; 0 for no limit", at_least(0));
    knobs("tau", tau, "temperature of the divergence, whose factor is tau, not its square", above(0));
    knobs("tau_g", tau_g, "answers are divided by this before the generator makes images of them", above(0));
    knobs("w_f", w_f, "weight of the distance between the images made of both answers", at_least(0));
    knobs("w_kl", w_kl, "weight of the divergence of the answers", at_least(0));
    knobs("w_ce", w_ce, "weight of cross-entropy with the teacher's decisions; not of the paper, for comparison", at_least(0));
    knobs("image_loss", image_loss, "distance of images", one_of({"l1", "l2"}));
    knobs("images", images,
          "generated: only made images are sent; local: the local images themselves, `pool` of them at most, for comparison (not private)",
          one_of({"generated", "local"}));
    knobs("tilt", tilt, "turn every local image once by up to so many degrees, to make it unlike the teacher's", between(0, 180));
    knobs("noise", noise, "Gaussian noise on local images, as a share of the range of a pixel", between(0, 1));
    generator.describe(knobs);
  }
  void check(const Recipe& recipe) const {
    if (w_f == 0 && w_kl == 0 && w_ce == 0)
      throw ConfigError(recipe.name() + ": knobs: w_f, w_kl and w_ce are all 0: nothing is learnt", "leave one of them above 0");
    if (queries == "pool" && budget > 0 && budget < pool) {
      throw ConfigError(fmt::format("{}: knobs.budget: {} calls do not pay for a pool of {}", recipe.where("knobs.budget"), budget, pool),
                        "raise knobs.budget or lower knobs.pool");
    }
    if (queries == "fresh" && images == "local")
      throw ConfigError(recipe.where("knobs.images") + ": knobs.images: local images are never fresh", "take knobs.queries = \"pool\"");
    if (response == "hard" && generator.w_inverse > 0) {
      throw ConfigError(recipe.where("knobs.w_inverse") + ": knobs.w_inverse: decisions are no codes that an image could be made of again",
                        "take knobs.response = \"soft\"");
    }
  }
  bool soft() const { return response == "soft"; }
};

// The answers as logits: [n, classes].
Tensor told(CountedTeacher& api, const Tensor& inputs, const MekdKnobs& knobs) {
  if (!knobs.soft()) {
    if (api.access() >= Access::logits) return hard_answers(api.logits(inputs));
    return at::one_hot(api.labels(inputs), api.classes()).to(at::kFloat);
  }
  const Tensor logits = api.logits(inputs);
  return knobs.answers == "probabilities" ? centred_log_probabilities(logits.softmax(1)) : logits;
}

Tensor in_batches(const Tensor& codes, const Net& generator) {
  const at::NoGradGuard no_grad;
  Tensors parts;
  for (int64_t first = 0; first < codes.size(0); first += 500)
    parts.push_back(generator.forward(codes.slice(0, first, std::min(first + 500, codes.size(0)))));
  return at::cat(parts);
}

// What the teacher was asked about, and what it said.
struct Pool {
  Dataset data;    // images in [0, 1]; labels: the teacher's decisions; ids: rows of `answers`
  Tensor answers;  // [n, classes] as logits
};

// A run that is resumed never asks again what was answered.
Pool asked_pool(ClassifierRun& c, const MekdKnobs& knobs, const Net& generator, const Dataset& local, CountedTeacher& api) {
  const std::string path = c.run.file("checkpoints/pool.done.safetensors");
  Pool pool;
  pool.data.name = knobs.images;
  pool.data.spec = local.spec;
  Tensor images;
  if (c.run.resume && file_exists(path)) {
    const State kept = load_state(path);
    images = kept.tensor("images");
    pool.answers = kept.tensor("answers");
    api.count_from(kept.values.at("calls"));
  } else {
    if (knobs.images == "local") {
      images = unit_pixels(prepared_inputs(local), local.spec).slice(0, 0, std::min(knobs.pool, local.size())).contiguous();
    } else {
      const Tensor codes = at::empty({knobs.pool, local.classes()}).normal_(0, 1, c.run.seed.stream("pool").generator());
      images = (in_batches(codes, generator) + 1) / 2;
    }
    pool.answers = told(api, prepare(images, local.spec), knobs);
    State kept;
    kept.tensors = {{"images", images}, {"answers", pool.answers}};
    kept.values = {{"calls", api.calls()}};
    c.run.save("checkpoints/pool.done.safetensors", kept);
  }
  pool.data.inputs = images;
  pool.data.labels = pool.answers.argmax(1);
  pool.data.ids = at::arange(images.size(0), at::kLong);
  return pool;
}

// Step 3. With a pool the answers, and the images that the generator makes of them, are known; else every step asks about new images.
class MekdObjective final : public Objective {
 public:
  MekdObjective(const MekdKnobs& knobs, const Net& generator, const InputSpec& spec, CountedTeacher& api, const Pool* pool)
      : knobs_(knobs), generator_(generator), spec_(spec), api_(api), pool_(pool) {
    if (pool_ != nullptr && knobs.w_f > 0) of_answers_ = in_batches(pool_->answers / knobs.tau_g, generator_);
  }

  Tensor forward(Trainer& trainer, const Batch& batch, Taps* taps) override {
    if (pool_ != nullptr) {
      said_ = pool_->answers.index_select(0, batch.ids);
      if (of_answers_.defined()) theirs_ = of_answers_.index_select(0, batch.ids);
      return Objective::forward(trainer, batch, taps);
    }
    const Tensor codes = at::empty({batch.size(), api_.classes()}).normal_(0, 1, trainer.seed().stream("codes", drawn_++).generator());
    const Tensor inputs = as_read(in_batches(codes, generator_), spec_);
    said_ = told(api_, inputs, knobs_);
    if (knobs_.w_f > 0) theirs_ = in_batches(said_ / knobs_.tau_g, generator_);
    return trainer.student().forward(inputs);
  }

  Loss loss(const Step& step) override {
    Loss loss;
    if (knobs_.w_f > 0)
      loss.add("image", image_distance(generator_.forward(step.logits / knobs_.tau_g), theirs_, knobs_.image_loss == "l2"), knobs_.w_f);
    if (knobs_.w_kl > 0) loss.add("kl", knobs_.tau * losses::kl(step.logits, said_, {knobs_.tau}), knobs_.w_kl);
    if (knobs_.w_ce > 0) loss.add("ce", losses::cross_entropy(step.logits, said_.argmax(1)), knobs_.w_ce);
    return loss.add("code_size", step.logits.detach().abs().mean() / knobs_.tau_g, 0);  // far above 1 the generator saturates
  }

  State state() const override {
    State state;
    state.values = {{"drawn", drawn_}, {"calls", api_.calls()}};
    return state;
  }
  void load(const State& state) override {
    drawn_ = state.values.at("drawn");
    api_.count_from(state.values.at("calls"));
  }

 private:
  const MekdKnobs& knobs_;
  const Net& generator_;
  const InputSpec& spec_;
  CountedTeacher& api_;
  const Pool* pool_;
  Tensor of_answers_, said_, theirs_;
  uint64_t drawn_ = 0;
};

// What the local images must be, so that their pixels can be told from nothing.
void check_local(const Dataset& local) {
  if (local.spec.shape.size() != 3)
    throw ConfigError(fmt::format("mekd makes images; {} has rows [{}]", local.name, fmt::join(local.spec.shape, ",")),
                      "take data of images");
  const Tensor pixels = as_made(prepared_inputs(local), local.spec);
  const double low = pixels.min().item<double>(), high = pixels.max().item<double>();
  if (!(low >= -1.001 && high <= 1.001)) {
    throw DataError(fmt::format("{}: local images lie in [{:.3g}, {:.3g}] where the generator makes [-1, 1]", local.name, low, high),
                    "store images as bytes, or as floats from 0 to 1");
  }
}

Dataset local_images(ClassifierRun& c, const DataKnobs& own, const MekdKnobs& knobs) {
  Dataset local = load_splits(own, c.run.seed.stream("data"), &c.splits.train.spec).train;
  check_local(local);
  if (knobs.tilt == 0 && knobs.noise == 0) return local;
  const Tensor pixels = unit_pixels(prepared_inputs(local), local.spec);
  local.inputs = tilted_images(pixels, local.ids, knobs.tilt, knobs.noise, c.run.seed.stream("tilt")).mul(255).round().to(at::kByte);
  return local;
}

// The whole price before the first call.
void check_budget(const MekdKnobs& knobs, const TrainKnobs& gan, const TrainKnobs& training, const Dataset& local) {
  if (knobs.budget == 0) return;
  const bool trains = knobs.images == "generated" && knobs.generator.generator.empty() && !knobs.generator.untrained;
  const bool asks = trains && knobs.soft() && (knobs.generator.w_im > 0 || knobs.generator.w_inverse > 0);
  const int64_t first = asks ? gan.epochs * (local.size() / gan.batch) * gan.batch : 0,
                then = knobs.queries == "fresh" ? training.epochs * local.size() : knobs.pool;
  if (first + then > knobs.budget) {
    throw BudgetError(
        fmt::format("knobs.budget: {} calls are allowed; the generator would take {} and the student {}", with_commas(knobs.budget),
                    with_commas(first), with_commas(then)),
        asks ? "raise it, lower knobs.pool, or set knobs.w_im = 0: then the generator asks nothing" : "raise it, or lower knobs.pool");
  }
}

nlohmann::json pictures(const Pool& pool) {
  nlohmann::json items = nlohmann::json::array();
  for (int64_t i = 0; i < std::min<int64_t>(pool.data.size(), 24); ++i) {
    const auto decided = static_cast<size_t>(pool.data.labels[i].item<int64_t>());
    items.push_back({{"png", base64(encode_png(pool.data.inputs[i].clamp(0, 1).mul(255).to(at::kByte)))},
                     {"caption", pool.data.spec.classes.at(decided)}});
  }
  return items;
}

void tell_pool(ClassifierRun& c, const Pool& pool) {
  const Tensor counts = at::bincount(pool.data.labels, {}, pool.data.classes()).to(at::kDouble) / static_cast<double>(pool.data.size());
  const std::vector<double> shares(counts.data_ptr<double>(), counts.data_ptr<double>() + counts.numel());
  const auto rarest = static_cast<size_t>(std::min_element(shares.begin(), shares.end()) - shares.begin());
  c.run.outcome.metrics["rarest_class"] = 100 * shares[rarest];
  if (shares[rarest] < kStarved && !c.run.quiet) {
    warn(
        fmt::format("the teacher sees class {} in {:.1f} % of the images sent: the student will hardly learn it; train the generator "
                    "longer, or give it more local images",
                    pool.data.spec.classes[rarest], 100 * shares[rarest]));
  }
  std::vector<double> percent;
  for (const double share : shares) percent.push_back(100 * share);
  c.card.add_panel({{"kind", "images"}, {"title", "What was sent, and what the teacher said"}, {"items", pictures(pool)}});
  c.card.add_panel({{"kind", "bars"},
                    {"title", "The teacher's decisions over the pool"},
                    {"y", "%"},
                    {"categories", pool.data.spec.classes},
                    {"series", {{{"name", "teacher"}, {"values", percent}}}}});
}

TrainKnobs gan_defaults() {
  TrainKnobs knobs;
  knobs.epochs = 200;
  knobs.batch = 64;
  knobs.eval_every = 0;
  knobs.optimiser.lr = 2e-4;
  knobs.optimiser.beta1 = 0.5;
  knobs.schedule.schedule = "constant";
  return knobs;
}

void run_mekd(Run& run) {
  const auto knobs = read_method_knobs<MekdKnobs>(run);
  DataKnobs own = run.recipe.read<DataKnobs>("data");
  TrainKnobs gan = gan_defaults();
  for (auto [section, overlay] : {std::pair{"knobs.local", knobs_of(own)}, {"knobs.gan", knobs_of(gan)}}) run.recipe.read(section, overlay);
  ClassifierRun c = prepare_classifier(run, knobs.soft() ? Access::logits : Access::hard_labels);
  const Dataset local = local_images(c, own, knobs);
  check_budget(knobs, gan, c.train_knobs, local);
  CountedTeacher api(*c.teacher, knobs.budget);
  const bool asks = knobs.soft() && (knobs.generator.w_im > 0 || knobs.generator.w_inverse > 0);
  const Answers ask = asks ? Answers([&](const Tensor& made) { return told(api, as_read(made, local.spec), knobs); }) : Answers();
  Net generator;
  if (knobs.images == "generated" || knobs.w_f > 0) generator = local_generator(c, knobs.generator, gan, local, ask, knobs.tau_g, api);
  const int64_t of_generator = api.calls();
  std::optional<Pool> pool;
  if (knobs.queries == "pool") {
    pool = asked_pool(c, knobs, generator, local, api);
    tell_pool(c, *pool);
  }
  MekdObjective objective(knobs, generator, local.spec, api, pool ? &*pool : nullptr);
  Net student = c.make_student(run.seed.stream("student"));
  TrainJob job = c.job("student", student, objective);
  job.teacher = nullptr;
  job.train = pool ? &pool->data : &local;
  train(run, job);
  auto& metrics = run.outcome.metrics;
  metrics["calls"] = static_cast<double>(api.calls());
  metrics["calls_generator"] = static_cast<double>(of_generator);
  metrics["calls_student"] = static_cast<double>(api.calls() - of_generator);
  if (!run.quiet)
    say(fmt::format("calls: {} while the generator learnt, {} for the student", with_commas(of_generator),
                    with_commas(api.calls() - of_generator)));
  c.conclude(student);
}

}  // namespace

Method mekd() {
  return {
      MethodInfo("mekd")
          .paper(4)
          .in("blackbox")
          .needs(Access::hard_labels)
          .idea(
              "ask a classifier about made images only, and compare the images that a generator makes of its answers and of the student's")
          .source("Ma et al. 2024, arXiv 2205.10490"),
      [] {
        MekdKnobs section;
        return knobs_of(section).all();
      },
      run_mekd};
}

}  // namespace retort::blackbox
