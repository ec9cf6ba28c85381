// `retort capture RECIPE`: a teacher and data -> a store of what the teacher says. `retort capture merge OUT IN…`: shards -> the whole.
#include <filesystem>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/interrupt.h"
#include "retort/base/progress.h"
#include "retort/catalogue/places.h"
#include "retort/cli/parts.h"
#include "retort/cli/print.h"
#include "retort/cli/verbs.h"
#include "retort/teachers/capture_job.h"
#include "retort/train/teacher_source.h"

namespace retort {
namespace {
using nlohmann::json;

struct CaptureVerb {
  std::string recipe, shard = "0/1", store, out;
  std::vector<std::string> sets, parts;
  bool dry_run = false, resume = false, batch = false, json = false, quiet = false;
};

// Everything that the recipe says.
struct CaptureRecipe {
  Run run;
  CaptureKnobs capture;
  CaptureOptions signals;
  TextKnobs texts;
  BatchKnobs batch;
  DataKnobs data;
  std::optional<EndpointKnobs> endpoint;
  std::optional<TeacherSource> teacher;
  bool about_texts() const { return endpoint && endpoint->api != "classifier"; }
};

CaptureRecipe read_recipe(const CaptureVerb& verb) {
  CaptureRecipe r{Run(Recipe::load(find_named("recipe", "recipes", verb.recipe), verb.sets), /*resume=*/true), {}, {}, {}, {}, {}, {}, {}};
  Recipe& recipe = r.run.recipe;
  const auto read = [&](const std::string& section, auto& knobs) {
    Knobs described = knobs_of(knobs);
    recipe.read(section, described);
  };
  read("capture", r.capture);
  read("capture", r.signals);
  read("capture", r.texts);
  read("batch", r.batch);
  if (recipe.has("endpoint")) {
    if (recipe.has("teacher"))
      throw ConfigError(recipe.where("endpoint") + ": an [endpoint] and a [teacher]", "one of them says who is asked");
    r.endpoint.emplace();
    read("endpoint", *r.endpoint);
    r.endpoint->check();
  }
  if (r.about_texts()) {
    if (r.texts.prompts.empty())
      throw ConfigError(recipe.where("capture") + ": capture.prompts: there is no file of prompts", "prompts = \"prompts.jsonl\"");
  } else {
    read("data", r.data);
    if (!r.endpoint) r.teacher = read_teacher_source(r.run, r.data, recipe.read<ViewKnobs>("views"));
    if (r.teacher && r.teacher->teacher.kind == "http") {  // asked without a teacher's pauses between batches
      r.endpoint = r.teacher->endpoint;
      r.teacher.reset();
    }
  }
  return r;
}

// The rows of this shard.
Dataset rows_of(const CaptureRecipe& r, const Splits& splits, const Shard& shard) {
  const Dataset whole = r.capture.part == "train" ? learnt_from(splits) : part_of(splits, r.capture.part);
  if (whole.size() == 0)
    throw DataError(fmt::format("{}: the {} part is empty", r.data.source, r.capture.part), "choose another with capture.part");
  if (shard.index >= whole.size())
    throw ConfigError(fmt::format("--shard {}/{}: there are {} samples", shard.index, shard.count, whole.size()), "take fewer shards");
  return shard.count == 1 ? whole : whole.take(at::tensor(shard.rows(whole.size()), at::kLong));
}

std::string store_path(const CaptureVerb& verb, const Shard& shard) {
  if (!verb.store.empty()) return verb.store;
  const std::string stem = std::filesystem::path(verb.recipe).stem().string();
  return shard.count == 1 ? stem + ".signals" : fmt::format("{}.{}-of-{}.signals", stem, shard.index, shard.count);
}

// Without --resume a store is not touched: it may hold what was paid for.
void check_store(const CaptureVerb& verb, const std::string& store) {
  if (!verb.resume && !verb.dry_run && file_exists(store))
    throw ConfigError(store + ": there is a store already", "go on with it by --resume, or choose another with -o");
}

void tell(const CaptureVerb& verb, const std::string& store, const CaptureEnd& end) {
  if (!verb.json) return print_text(end.text(store));
  json facts = end.to_json();
  facts["store"] = store;
  print_json(facts);
}

void tell(const CaptureVerb& verb, const CaptureEstimate& estimate, const Budget& budget, const Usage& spent) {
  if (verb.json) {
    json facts = estimate.to_json();
    facts["spent"] = {{"calls", spent.calls},
                      {"prompt_tokens", spent.prompt_tokens},
                      {"completion_tokens", spent.completion_tokens},
                      {"money", spent.money}};
    return print_json(facts);
  }
  std::string text = estimate.text();
  const auto limit = [&](const char* what, double most, double gone, double worst) {
    if (most > 0)
      text += fmt::format("budget    {}: {} of {:.10g} {}, {:.10g} spent{}\n", budget.name, gone + worst > most ? "may not last" : "enough",
                          most, what, gone, gone + worst > most ? fmt::format(", up to {:.10g} needed", worst) : "");
  };
  const auto number = [](int64_t value) { return static_cast<double>(value); };
  limit("calls", number(budget.max_calls), number(spent.calls), number(estimate.worst.calls));
  limit("prompt tokens", number(budget.max_prompt_tokens), number(spent.prompt_tokens), number(estimate.worst.prompt_tokens));
  limit("completion tokens", number(budget.max_completion_tokens), number(spent.completion_tokens),
        number(estimate.worst.completion_tokens));
  limit("money", budget.max_money, spent.money, estimate.worst.money);
  print_text(text + "nothing was asked\n");
}

void capture_teacher(const CaptureVerb& verb, CaptureRecipe& r, const Shard& shard, const std::string& store) {
  if (verb.batch) throw ConfigError("--batch: a teacher that runs here has no batches", "--batch is for an [endpoint]");
  Run& run = r.run;
  const bool trains = r.teacher->teacher.kind == "train";
  if (trains && !verb.dry_run) {  // its checkpoints and curves go beside the store
    if (run.place.dir.empty()) run.place.dir = store + ".teacher";
    run.open();
  } else {
    run.recipe.finish();
  }
  const std::optional<InputSpec> reads = teacher_reads(*r.teacher);
  const Splits splits = load_splits(r.data, run.seed.stream("data"), reads ? &*reads : nullptr);
  const Dataset data = rows_of(r, splits, shard);
  if (verb.dry_run) {
    CaptureEstimate estimate;
    estimate.samples = data.size();
    if (file_exists(store)) estimate.stored = SignalStore::open(store, Damaged::skip)->count();
    estimate.bound = "this machine";
    return tell(verb, estimate, {}, {});
  }
  const std::unique_ptr<Teacher> teacher = make_teacher(run, *r.teacher, splits, r.data);
  if (!r.signals.features.empty()) r.signals.logits = true;
  SignalWriter writer(store, signal_header(*teacher, data, r.signals), r.signals.block_rows);
  for (const std::string& mended : writer.warnings()) warn(mended);
  const CaptureEnd end = capture_in_process(*teacher, data, r.signals, writer);
  run.finish();
  tell(verb, store, end);
}

// The size of this endpoint's embeddings: as in the store, else from the first answer, which the cache then keeps.
int64_t embedding_size(const CaptureRecipe& r, const std::string& store, const CapturePlan& plan, Asker& asker) {
  if (file_exists(store)) {
    const SignalColumn* column = SignalStore::open(store, Damaged::skip)->column("embedding");
    if (column != nullptr) return column->shape.at(0);
  }
  const Question first = plan.question(0);
  const auto vectors = embeddings_of(
      asker.ask(first, [&](const Question& question, const json& body) { return plan.check(question, body); }));
  if (vectors.empty() || vectors.front().empty())
    throw TeacherError(shown_url(r.endpoint->url) + ": an embedding without numbers", "is this model one for embeddings?");
  return static_cast<int64_t>(vectors.front().size());
}

void capture_endpoint(const CaptureVerb& verb, CaptureRecipe& r, const Shard& shard, const std::string& store) {
  const EndpointKnobs& endpoint = *r.endpoint;
  r.run.recipe.finish();
  std::shared_ptr<const PromptFile> prompts;
  Dataset data;
  if (r.about_texts()) {
    prompts = std::make_shared<const PromptFile>(r.texts.prompts);
    if (shard.index >= prompts->size())
      throw ConfigError(fmt::format("--shard {}: there are {} prompts", verb.shard, prompts->size()), "take fewer shards");
  } else {
    data = rows_of(r, load_splits(r.data, r.run.seed.stream("data")), shard);
  }
  const auto plan_with = [&](int64_t size) {
    return prompts ? text_plan(prompts, shard.rows(prompts->size()), endpoint, r.texts, r.signals, size)
                   : classifier_plan(data, endpoint, r.signals);
  };
  std::unique_ptr<CapturePlan> plan = plan_with(0);

  if (verb.dry_run) {
    std::unique_ptr<ResponseCache> cache;
    if (endpoint.cache_mode != "off" && file_exists(endpoint.cache))
      cache = std::make_unique<ResponseCache>(endpoint.cache, CacheMode::read_write);
    std::shared_ptr<const SignalStore> held;
    if (file_exists(store)) held = SignalStore::open(store, Damaged::skip);
    CaptureEstimate estimate = estimate_capture(
        *plan, endpoint, cache.get(), [&](int64_t id) { return held && held->has(id); }, r.capture.latency, verb.batch ? r.batch.price : 1);
    estimate.stored = held ? held->count() : 0;
    if (verb.batch) estimate.seconds = 3600 * r.batch.hours, estimate.bound = "the provider's batches, at the latest";
    return tell(verb, estimate, endpoint.allowance(), cache ? cache->spent(endpoint.budget) : Usage());
  }

  Asker asker(endpoint);
  if (endpoint.cache_mode == "off")
    warn("endpoint.cache_mode is off: what a kill takes from an unfinished block of the store is asked and paid again");
  if (endpoint.api == "embeddings") plan = plan_with(embedding_size(r, store, *plan, asker));
  SignalWriter writer(store, plan->header(), r.signals.block_rows);
  for (const std::string& mended : writer.warnings()) warn(mended);
  const std::string state = store + ".batches.json";
  Usage in_batches;
  if (verb.batch || file_exists(state)) {  // batches under way are paid for: they are collected even without --batch
    const Usage before = asker.cache().spent(endpoint.budget);
    const std::string identity = hex_digest(plan->header().teacher + plan->header().data + plan->header().input.dump() +
                                            fmt::format("{}/{} {}", shard.index, shard.count, endpoint.items));
    const BatchEnd end = ask_in_batches(
        endpoint, r.batch, asker.cache(), numbered(*plan, [&](int64_t id) { return writer.has(id); }),
        [&](const Question& question, const json& body) { return plan->check(question, body); }, state, identity);
    const Usage after = asker.cache().spent(endpoint.budget);
    in_batches = {after.calls - before.calls, after.prompt_tokens - before.prompt_tokens,
                  after.completion_tokens - before.completion_tokens, after.money - before.money};
    say(fmt::format("{} batches: {} of {} requests answered", end.batches, end.answered, end.sent));
  }
  CaptureEnd end = capture_over_wire(*plan, asker, writer);
  end.spent += in_batches;
  std::error_code ignored;
  std::filesystem::remove(state, ignored);
  tell(verb, store, end);
}

void run(const CaptureVerb& verb) {
  if (verb.recipe.empty()) throw ConfigError("capture: there is no recipe", "`retort capture --help` shows how it is used");
  install_interrupt_handler();
  set_quiet(verb.quiet);
  const Shard shard = Shard::from(verb.shard);
  const std::string store = store_path(verb, shard);
  check_store(verb, store);
  CaptureRecipe recipe = read_recipe(verb);
  if (recipe.endpoint)
    capture_endpoint(verb, recipe, shard, store);
  else
    capture_teacher(verb, recipe, shard, store);
}

void merge(const CaptureVerb& verb) {
  const MergeSummary summary = merge_signal_stores(verb.parts, verb.out);
  if (verb.json)
    print_json({{"store", verb.out}, {"rows", summary.rows}, {"repeated", summary.repeated}});
  else
    print_text(fmt::format("{}: {} samples of {} stores\n", verb.out, with_commas(summary.rows), verb.parts.size()));
}

}  // namespace

void add_capture_verb(CLI::App& app) {
  auto options = std::make_shared<CaptureVerb>();
  CLI::App* verb = app.add_subcommand("capture", "Ask a teacher about data once, and keep what it says");
  verb->add_option("recipe", options->recipe, "recipe file with [data] and [teacher], or [endpoint]; or `merge`");
  verb->add_option("-o,--store", options->store, "the store; <recipe>.signals unless given");
  verb->add_option("--shard", options->shard, "i/n: rows i, i + n, … only; `retort capture merge` joins the stores")->capture_default_str();
  verb->add_option("--set", options->sets, "a.b=c: set a key of the recipe; may be repeated")->allow_extra_args(false);
  verb->add_flag("--dry-run", options->dry_run, "say what it will cost, and ask nothing");
  verb->add_flag("--resume", options->resume, "go on with the store that is there");
  verb->add_flag("--batch", options->batch, "through the provider's batches: cheaper, within a day; what fails is asked live");
  verb->add_flag("--json", options->json, "print the results as JSON on stdout");
  verb->add_flag("--quiet", options->quiet, "print nothing but results and errors");

  CLI::App* merge_verb = verb->add_subcommand("merge", "Join stores of the same capture");
  merge_verb->add_option("out", options->out, "the store to write")->required();
  merge_verb->add_option("parts", options->parts, "the stores to join")->required();
  merge_verb->add_flag("--json", options->json, "print as JSON");
  merge_verb->callback([options] { merge(*options); });
  verb->callback([options, merge_verb] {
    if (!merge_verb->parsed()) run(*options);
  });
}

}  // namespace retort
