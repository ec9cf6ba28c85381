#include "retort/methods/blackbox/bidf_mkd.h"

#include <chrono>
#include <filesystem>
#include <optional>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/interrupt.h"
#include "retort/base/progress.h"
#include "retort/data/image.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/blackbox/bidf_apis.h"
#include "retort/methods/blackbox/bidf_recovery.h"
#include "retort/nets/model_file.h"
#include "retort/stats/paired.h"
#include "retort/train/episodes.h"
#include "retort/train/maml.h"

namespace retort::blackbox {
namespace {

struct BidfKnobs {
  ApiKnobs apis;
  RecoveryKnobs recovery;
  int64_t per_class = 30, updates = 60000, episodes = 4, initial = 5, interval = 200, n_in = 10, n_replay = 5, n_test = 10, shots = 5,
          queries = 15, tasks = 300, kept = 20;
  int64_t boundary_after = 4000;
  double eta_in = 0.01, outer_lr = 1e-3, lambda_adv = 1;
  bool second_order = true, replay = true;
  void describe(Knobs& knobs) {
    apis.describe(knobs);
    recovery.describe(knobs);
    knobs("per_class", per_class, "images of each class in a recovered set (K)", at_least(1));
    knobs("updates", updates, "meta-updates; 0 leaves the start as it was drawn, for comparison", at_least(0));
    knobs("episodes", episodes, "episodes whose gradients a meta-update averages (E)", at_least(1));
    knobs("initial", initial, "first meta-updates, which all recover new images", at_least(1));
    knobs("interval", interval, "new images are recovered when replay has not become better for so many meta-updates", at_least(1));
    knobs("replay", replay, "learn from the memory in between; without it every meta-update recovers new images");
    knobs("kept", kept, "sets of images that the memory keeps of each class", at_least(1));
    knobs("eta_in", eta_in, "learning rate of the inner steps", above(0));
    knobs("n_in", n_in, "inner steps that take an API over", at_least(1));
    knobs("n_replay", n_replay, "inner steps of a replayed task", at_least(1));
    knobs("n_test", n_test, "inner steps of a real task", at_least(1));
    knobs("second_order", second_order, "let the gradient pass through the inner steps; otherwise they count as constants");
    knobs("outer_lr", outer_lr, "learning rate of the meta-updates (Adam)", above(0));
    knobs("lambda_adv", lambda_adv, "weight of the disagreement that a boundary set seeks", at_least(0));
    knobs("boundary_after", boundary_after, "meta-updates before query sets seek the boundary", at_least(0));
    knobs("shots", shots, "labelled images of each class in a task", at_least(1));
    knobs("queries", queries, "images of each class that a task asks about", at_least(1));
    knobs("tasks", tasks, "real tasks at the end", at_least(2));
  }
  void check(const Recipe& recipe) const {
    if (replay && shots + queries > per_class * kept) {
      throw ConfigError(fmt::format("{}: knobs.per_class: a memory of {} images a class holds no task of {} + {}",
                                    recipe.where("knobs.per_class"), per_class * kept, shots, queries),
                        "raise knobs.kept or knobs.per_class");
    }
  }
};

// Everything that meta-training changes.
class MetaLearner {
 public:
  MetaLearner(Run& run, const BidfKnobs& knobs, ApiWorld& world, Net& net)
      : run_(run),
        knobs_(knobs),
        world_(world),
        net_(net),
        memory_(static_cast<int64_t>(world.apis.size()) * knobs.apis.ways, knobs.kept * knobs.per_class) {
    net_.require_grad(true);
    net_.train(true);  // batch norm goes by the statistics of the batch, here and at tests
    OptimiserKnobs adam;
    adam.lr = knobs.outer_lr;
    optimiser_.add({"net", net_.params(), adam, 1});
  }

  void learn() {
    const int64_t last = run_.place.max_steps > 0 ? std::min(run_.place.max_steps, knobs_.updates) : knobs_.updates;
    if (run_.resume && file_exists(file("done.safetensors"))) {
      load(load_state(file("done.safetensors")));
      run_.log_mark = log_length_;
      return;
    }
    const bool resumed = run_.resume && file_exists(file("safetensors"));
    if (resumed) load(load_state(file("safetensors")));
    if (run_.resume && run_.log) run_.log->cut(resumed ? log_length_ : run_.log_mark);
    Progress progress("meta", last, run_.quiet);
    auto saved = std::chrono::steady_clock::now();
    while (update_ < last) {
      meta_update();
      ++update_;
      progress.advance_to(update_, fmt::format("replay {:.1f} %, {} calls", 100 * replayed_, with_commas(world_.calls())));
      const bool interrupted = interrupt_requested();
      if (interrupted || std::chrono::duration<double>(std::chrono::steady_clock::now() - saved).count() >= run_.place.checkpoint_seconds) {
        run_.save("checkpoints/meta.safetensors", state());
        saved = std::chrono::steady_clock::now();
      }
      if (interrupted && update_ < last)
        throw Interrupted(fmt::format("meta: stopped at update {} of {}", update_, last), "go on with --resume --dir " + run_.dir);
    }
    run_.save("checkpoints/meta.done.safetensors", state());
    std::error_code ignored;
    std::filesystem::remove(file("safetensors"), ignored);
    run_.log_mark = run_.log ? run_.log->length() : 0;
    progress.finish();
  }

  // Share of recovered images that their API labels as wanted, over all sets; 0 when none was recovered.
  double as_intended() const { return recovered_ == 0 ? 0 : intended_ / static_cast<double>(recovered_); }
  double first_loss() const { return sets_ == 0 ? 0 : first_loss_ / static_cast<double>(sets_); }
  double last_loss() const { return sets_ == 0 ? 0 : last_loss_ / static_cast<double>(sets_); }
  const ClassMemory& memory() const { return memory_; }

 private:
  Run& run_;
  const BidfKnobs& knobs_;
  ApiWorld& world_;
  Net& net_;
  ClassMemory memory_;
  Optimiser optimiser_;
  int64_t update_ = 0, generated_ = 0, stale_ = 0, recovered_ = 0, sets_ = 0, log_length_ = 0;
  double best_ = -1, replayed_ = 0, intended_ = 0, first_loss_ = 0, last_loss_ = 0;

  std::string file(const std::string& ending) const { return run_.file("checkpoints/meta." + ending); }
  const InputSpec& spec() const { return world_.train.spec; }
  Seed seed(const char* what) const { return run_.seed.stream("meta").stream(what, static_cast<uint64_t>(update_)); }

  void meta_update() {
    const int64_t needed = knobs_.shots + knobs_.queries;
    const bool rich = knobs_.replay && memory_.classes_with(needed) >= knobs_.apis.ways,
               wants = !rich || update_ < knobs_.initial || stale_ >= knobs_.interval;
    // What is left of the budget decides last: the memory can be replayed for nothing.
    const bool affordable = knobs_.apis.budget == 0 || world_.calls() + knobs_.episodes * episode_price() <= knobs_.apis.budget,
               generates = wants && (affordable || !rich);
    if (generates && !affordable) {
      throw BudgetError(
          fmt::format("knobs.budget: {} of {} calls are made, {} more are needed for new images, and there is no memory to go on with",
                      with_commas(world_.calls()), with_commas(knobs_.apis.budget), with_commas(knobs_.episodes * episode_price())),
          "raise it, or lower knobs.q, knobs.iterations or knobs.per_class");
    }
    if (wants) stale_ = 0;
    double loss = 0, hits = 0;
    for (int64_t e = 0; e < knobs_.episodes; ++e) {
      const auto [value, share] = generates ? generation_episode(seed("generate").stream("episode", static_cast<uint64_t>(e)))
                                            : replay_episode(seed("replay").stream("episode", static_cast<uint64_t>(e)));
      loss += value / static_cast<double>(knobs_.episodes);
      hits += share / static_cast<double>(knobs_.episodes);
    }
    if (!std::isfinite(loss))
      throw DivergenceError(fmt::format("meta: the loss is not finite at update {}", update_ + 1), "lower knobs.eta_in or knobs.outer_lr");
    optimiser_.step(1);
    optimiser_.zero_grad();
    if (!generates) {
      replayed_ = best_ < 0 ? hits : 0.9 * replayed_ + 0.1 * hits;  // a mean that started at 0 would rise whatever happens
      stale_ = replayed_ > best_ + 1e-3 ? 0 : stale_ + 1;
      best_ = std::max(best_, replayed_);
    }
    run_.log_row({{"phase", "meta"},
                  {"kind", "train"},
                  {"step", update_ + 1},
                  {"epoch", 0},
                  {generates ? "loss_generated" : "loss_replayed", loss},
                  {generates ? "accuracy_generated" : "accuracy_replayed", 100 * hits},
                  {"calls", world_.calls()}});
  }

  int64_t iterations() const {
    return run_.place.max_steps > 0 ? std::min(run_.place.max_steps, knobs_.recovery.iterations) : knobs_.recovery.iterations;
  }

  // Calls of an episode: two sets are recovered and answered.
  int64_t episode_price() const {
    const int64_t images = knobs_.apis.ways * knobs_.per_class,
                  evaluations = knobs_.recovery.gradient == "white-box" ? 0 : (knobs_.recovery.antithetic ? 2 : 1) * knobs_.recovery.q + 1;
    return 2 * (evaluations * images * iterations() + images);
  }

  // The images of one set, prepared, and what the API says of them.
  std::pair<Tensor, Tensor> recovered_set(size_t which, const std::function<Tensor(const Tensor&)>& student, Seed own) {
    Api& api = world_.apis[which];
    const Tensor targets = at::arange(knobs_.apis.ways, at::kLong).repeat_interleave(knobs_.per_class);
    const Net* net = knobs_.recovery.gradient == "white-box" ? api.teacher->net() : nullptr;
    const Recovered set = recover(*api.counted, net, targets, spec(), knobs_.recovery, iterations(), student,
                                  student ? knobs_.lambda_adv : 0, own);
    const Tensor inputs = prepare(set.images, spec()), said = api.counted->logits(inputs);
    intended_ += said.argmax(1).eq(targets).sum().item<double>();
    recovered_ += targets.size(0);
    first_loss_ += set.first_loss;
    last_loss_ += set.last_loss;
    ++sets_;
    for (int64_t k = 0; k < knobs_.apis.ways; ++k)
      memory_.put(static_cast<int64_t>(which) * knobs_.apis.ways + k,
                  set.images.slice(0, k * knobs_.per_class, (k + 1) * knobs_.per_class));
    return {inputs, said};
  }

  // Steps 1 to 4. Returns the outer loss and how often the adapted student decides as the API.
  std::pair<double, double> generation_episode(Seed own) {
    const int64_t count = static_cast<int64_t>(world_.apis.size()), round = generated_ / count;
    const auto which = static_cast<size_t>(
        permutation(count, run_.seed.stream("round", static_cast<uint64_t>(round)))[generated_ % count].item<int64_t>());
    ++generated_;
    const auto [support, of_support] = recovered_set(which, {}, own.stream("support"));
    const Tensors theta = adapted(
        net_.params(),
        [&, &inputs = support, &said = of_support](const Tensors& params) { return losses::kl(net_.forward_with(params, inputs), said); },
        knobs_.n_in, knobs_.eta_in, knobs_.second_order);
    const std::function<Tensor(const Tensor&)> student = [&](const Tensor& x) {
      const at::NoGradGuard no_grad;
      return net_.forward_with(theta, x);
    };
    const bool seeks_boundary = knobs_.lambda_adv > 0 && update_ >= knobs_.boundary_after;
    const auto [query, of_query] = recovered_set(which, seeks_boundary ? student : nullptr, own.stream("query"));
    const Tensor logits = net_.forward_with(theta, query), loss = losses::kl(logits, of_query);
    (loss / static_cast<double>(knobs_.episodes)).backward();
    return {loss.item<double>(), logits.argmax(1).eq(of_query.argmax(1)).to(at::kDouble).mean().item<double>()};
  }

  // Step 5.
  std::pair<double, double> replay_episode(Seed own) {
    Dice dice(own);
    const Episode task = draw_episode(memory_.pools(), knobs_.apis.ways, knobs_.shots, knobs_.queries, dice);
    const Tensor support = prepare(task.support, spec()), query = prepare(task.query, spec());
    const Tensors theta = adapted(
        net_.params(),
        [&](const Tensors& params) { return losses::cross_entropy(net_.forward_with(params, support), task.support_labels); },
        knobs_.n_replay, knobs_.eta_in, knobs_.second_order);
    const Tensor logits = net_.forward_with(theta, query), loss = losses::cross_entropy(logits, task.query_labels);
    (loss / static_cast<double>(knobs_.episodes)).backward();
    return {loss.item<double>(), logits.argmax(1).eq(task.query_labels).to(at::kDouble).mean().item<double>()};
  }

  State state() {
    State all;
    all.put("net", State{net_.named_tensors(), {}});
    all.put("optimiser", optimiser_.state());
    all.put("memory", memory_.state());
    std::vector<int64_t> calls;
    for (const Api& api : world_.apis) calls.push_back(api.counted->calls());
    all.values["meta"] = {{"update", update_},       {"generated", generated_}, {"stale", stale_},
                          {"recovered", recovered_}, {"sets", sets_},           {"best", best_},
                          {"replayed", replayed_},   {"intended", intended_},   {"first_loss", first_loss_},
                          {"last_loss", last_loss_}, {"calls", calls},          {"log_length", run_.log ? run_.log->length() : 0}};
    return all;
  }

  void load(const State& all) {
    net_.load(all.take("net").tensors, file("safetensors"));
    optimiser_.load(all.take("optimiser"));
    memory_.load(all.take("memory"));
    const nlohmann::json& v = all.values.at("meta");
    update_ = v.at("update"), generated_ = v.at("generated"), stale_ = v.at("stale"), recovered_ = v.at("recovered"), sets_ = v.at("sets");
    best_ = v.at("best"), replayed_ = v.at("replayed"), intended_ = v.at("intended"), first_loss_ = v.at("first_loss"),
    last_loss_ = v.at("last_loss"), log_length_ = v.at("log_length");
    const auto calls = v.at("calls").get<std::vector<int64_t>>();
    for (size_t i = 0; i < world_.apis.size(); ++i) world_.apis[i].counted->count_from(calls.at(i));
  }
};

// Real tasks of classes that no API knows.
class FewShotTest {
 public:
  FewShotTest(const BidfKnobs& knobs, const ApiWorld& world, int64_t tasks, Seed seed) : knobs_(knobs), tasks_(tasks), seed_(seed) {
    const Tensor inputs = prepared_inputs(world.test);
    for (const int64_t c : world.meta_test) pools_.push_back(inputs.index_select(0, at::nonzero(world.test.labels == c).squeeze(1)));
  }

  // Accuracy in percent of every task. `decide`: logits of the query.
  std::vector<double> accuracies(const std::function<Tensor(const Episode&)>& decide) const {
    std::vector<double> all;
    for (int64_t t = 0; t < tasks_; ++t) {
      Dice dice(seed_.stream("task", static_cast<uint64_t>(t)));
      const Episode task = draw_episode(pools_, knobs_.apis.ways, knobs_.shots, knobs_.queries, dice);
      all.push_back(100 * decide(task).argmax(1).eq(task.query_labels).to(at::kDouble).mean().item<double>());
    }
    return all;
  }

 private:
  const BidfKnobs& knobs_;
  int64_t tasks_;
  Seed seed_;
  std::vector<Tensor> pools_;
};

// All APIs' logits of an image as its features, and the nearest class mean of the support: what the collection is worth without any learning.
Tensor nearest_centroid(ApiWorld& world, const Episode& task, int64_t ways) {
  const auto features = [&](const Tensor& x) {
    Tensors parts;
    Wanted wanted;
    wanted.logits = true;
    for (Api& api : world.apis)
      parts.push_back(api.teacher->ask(at::full({x.size(0)}, -1, at::kLong), x, false, wanted).logits.log_softmax(1));
    return at::cat(parts, 1);
  };
  const Tensor centroids = features(task.support).view({ways, -1, static_cast<int64_t>(world.apis.size()) * ways}).mean(1);
  return -at::cdist(features(task.query), centroids);
}

nlohmann::json pictures(const ClassMemory& memory) {
  nlohmann::json items = nlohmann::json::array();
  for (size_t c = 0; c < memory.pools().size() && items.size() < 25; ++c) {
    const Tensor& pool = memory.pools()[c];
    if (pool.defined() && pool.size(0) > 0)
      items.push_back({{"png", base64(encode_png(pool[-1].mul(255).to(at::kByte)))}, {"caption", fmt::format("class {}", c)}});
  }
  return items;
}

void tell(Run& run, const BidfKnobs& knobs, ApiWorld& world, const MetaLearner& learner, const FewShotTest& test, const Net& net,
          const Net& drawn) {
  const auto adapts = [&](const Net& start) {
    return test.accuracies([&](const Episode& task) {
      const Tensors theta = adapted_for_use(
          start.params(),
          [&](const Tensors& params) { return losses::cross_entropy(start.forward_with(params, task.support), task.support_labels); },
          knobs.n_test, knobs.eta_in);
      const at::NoGradGuard no_grad;
      return start.forward_with(theta, task.query);
    });
  };
  auto& metrics = run.outcome.metrics;
  nlohmann::json rows = nlohmann::json::array();
  const auto row = [&](const std::string& name, const std::string& prefix, const std::vector<double>& accuracies) {
    const Interval interval = bootstrap_mean(accuracies);
    metrics[prefix + "accuracy"] = mean(accuracies);
    metrics[prefix + "accuracy_low"] = interval.low;
    metrics[prefix + "accuracy_high"] = interval.high;
    rows.push_back({{"name", name}, {"values", {{"accuracy", mean(accuracies)}, {"low", interval.low}, {"high", interval.high}}}});
    if (!run.quiet) say(fmt::format("{}: {:.2f} % [{:.2f}, {:.2f}]", name, mean(accuracies), interval.low, interval.high));
  };
  row("drawn", "drawn_", adapts(drawn));
  row("APIs' logits", "centroid_", test.accuracies([&](const Episode& task) { return nearest_centroid(world, task, knobs.apis.ways); }));
  row("student", "", adapts(net));
  metrics["calls"] = static_cast<double>(world.calls());
  metrics["as_intended"] = 100 * learner.as_intended();
  metrics["recovery_loss_first"] = learner.first_loss();
  metrics["recovery_loss_last"] = learner.last_loss();
  run.outcome.table = {{"baseline", "drawn"},
                       {"columns",
                        {{{"key", "accuracy"},
                          {"title", fmt::format("accuracy, {} ways {} shots", knobs.apis.ways, knobs.shots)},
                          {"unit", "%"},
                          {"better", "higher"}},
                         {{"key", "low"}, {"title", "95 % from"}, {"unit", "%"}},
                         {{"key", "high"}, {"title", "to"}, {"unit", "%"}}}},
                       {"rows", rows}};
  run.outcome.panels.push_back({{"kind", "text"},
                                {"title", "What was asked"},
                                {"paragraphs",
                                 {fmt::format("{} APIs, {} calls. {:.1f} % of the recovered images are what they were to be, by their API; "
                                              "the loss fell from {:.2f} to {:.2f} while they were recovered.",
                                              world.apis.size(), with_commas(world.calls()), 100 * learner.as_intended(),
                                              learner.first_loss(), learner.last_loss())}}});
  const nlohmann::json items = pictures(learner.memory());
  if (!items.empty())
    run.outcome.panels.push_back({{"kind", "images"},
                                  {"title", "Recovered images"},
                                  {"note", "The last one of each class of each API in the memory."},
                                  {"items", items}});
  run.outcome.data = {{"name", world.test.name}, {"train", 0}, {"test", world.test.size()}, {"classes", world.test.spec.classes}};
}

void run_bidf(Run& run) {
  const auto knobs = read_method_knobs<BidfKnobs>(run);
  const auto data = run.recipe.read<DataKnobs>("data");
  const auto views = run.recipe.read<ViewKnobs>("views");
  const auto student = run.recipe.read<StudentKnobs>("student");
  const TeacherSource source = read_teacher_source(run, data, views);
  if (source.teacher.shown() < Access::logits) {
    throw AccessError(
        fmt::format("bidf-mkd needs logits or probabilities, and these APIs show {} only: decisions hardly ever change along a small step",
                    to_string(source.teacher.shown())),
        "", static_cast<int>(source.teacher.shown()));
  }
  if (knobs.recovery.gradient == "white-box" && source.teacher.kind != "train") {
    throw ConfigError(run.recipe.where("knobs.gradient") + ": knobs.gradient: true gradients come from teachers trained here only",
                      "take \"zeroth\"");
  }
  run.open();
  ApiWorld world = make_apis(run, knobs.apis, source, data);
  InputSpec spec = world.train.spec;
  spec.classes.clear();
  for (int64_t k = 0; k < knobs.apis.ways; ++k) spec.classes.push_back(fmt::format("class {} of the task", k + 1));
  Net net = make_net(student.net, spec.shape, knobs.apis.ways, run.seed.stream("student"));
  const Net drawn = net.clone();
  MetaLearner learner(run, knobs, world, net);
  learner.learn();
  const FewShotTest test(knobs, world, run.place.max_steps > 0 ? std::min<int64_t>(knobs.tasks, 10) : knobs.tasks, run.seed.stream("test"));
  tell(run, knobs, world, learner, test, net, drawn);
  if (run.group.leader()) save_model(run.dir + "/student", net, spec);
}

}  // namespace

Method bidf_mkd() {
  return {MethodInfo("bidf-mkd")
              .paper(8)
              .in("blackbox")
              .needs(Access::logits)
              .idea("recover images from many APIs by their answers alone, and learn from them a start for new few-shot tasks")
              .source("Hu et al. 2023, arXiv 2305.18413"),
          [] {
            BidfKnobs section;
            return knobs_of(section).all();
          },
          run_bidf};
}

}  // namespace retort::blackbox
