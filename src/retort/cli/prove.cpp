// `retort prove ID…`: runs proofs and says which claims hold.
#include <thread>

#include "retort/base/error.h"
#include "retort/base/interrupt.h"
#include "retort/base/progress.h"
#include "retort/catalogue/evidence.h"
#include "retort/catalogue/places.h"
#include "retort/catalogue/proof.h"
#include "retort/cli/print.h"
#include "retort/cli/verbs.h"

namespace retort {
namespace {

struct ProveOptions {
  std::vector<std::string> ids;
  std::string evidence = "evidence";
  bool all = false, smoke = false, json = false;
  ProofOptions proof;
};

struct Tally {
  std::vector<std::string> incomplete;  // ids
  nlohmann::json sections = nlohmann::json::array();
};

void prove_smoke(const std::vector<Proof>& proofs, Tally& tally) {
  for (const Proof& proof : proofs) {
    const auto [failures, left_out] = smoke(proof);
    for (const std::string& failure : failures) warn(proof.id + ": " + failure);
    for (const std::string& line : left_out) warn(fmt::format("{}: left out: {}", proof.id, line));
    if (!failures.empty()) tally.incomplete.push_back(proof.id);
    tally.sections.push_back({{"id", proof.id}, {"arms", proof.arms.size()}, {"failures", failures}, {"left_out", left_out}});
    say(fmt::format("{}: {} of {} arms run", proof.id, proof.arms.size() - failures.size() - left_out.size(), proof.arms.size()));
  }
}

// Evidence is of the proof as it is written: with all its seeds and nothing set by hand.
std::string why_no_evidence(const Proof& proof, const ProofOutcome& outcome, const ProofOptions& options) {
  if (!outcome.complete()) return "the proof is incomplete";
  if (!options.sets.empty()) return "--set changed the proof";
  if (options.seeds > 0 && options.seeds < static_cast<int64_t>(proof.seeds.size()))
    return fmt::format("the proof asks for {} seeds", proof.seeds.size());
  return {};
}

void prove_fully(const std::vector<Proof>& proofs, const ProveOptions& options, Tally& tally) {
  for (const Proof& proof : proofs) {
    const ProofOutcome outcome = prove(proof, options.proof);
    for (const std::string& failure : outcome.failures) warn(proof.id + ": " + failure);
    if (!outcome.complete()) tally.incomplete.push_back(proof.id);
    if (!options.json) print_text(evidence_text(outcome.section));
    tally.sections.push_back(outcome.section);
    const std::string reason = why_no_evidence(proof, outcome, options.proof);
    if (reason.empty()) write_evidence(options.evidence, outcome.section);
    say(reason.empty() ? fmt::format("evidence: {}/{}.json", options.evidence, proof.id) : "no evidence written: " + reason);
  }
}

void run(ProveOptions options) {
  install_interrupt_handler();
  if (options.all) options.ids = shipped_names("proofs", ".toml");
  if (options.ids.empty())
    throw ConfigError("name at least one proof, or --all", fmt::format("there are: {}", fmt::join(shipped_names("proofs", ".toml"), ", ")));
  std::vector<Proof> proofs;  // all are read before the first one runs
  for (const std::string& id : options.ids) proofs.push_back(load_proof(id));
  Tally tally;
  if (options.smoke)
    prove_smoke(proofs, tally);
  else
    prove_fully(proofs, options, tally);
  if (options.json) print_json(tally.sections);
  if (!tally.incomplete.empty())
    throw Error(fmt::format("incomplete: {}", fmt::join(tally.incomplete, ", ")),
                "the warnings above say which arm and seed failed; the same command runs only those again", 1);
}

}  // namespace

void add_prove_verb(CLI::App& app) {
  auto options = std::make_shared<ProveOptions>();
  options->proof.jobs = std::max(1u, std::thread::hardware_concurrency());
  CLI::App* verb = app.add_subcommand("prove", "Run the proof of a method's claim and judge it");
  verb->add_option("ids", options->ids, "methods, or paths of proofs");
  verb->add_flag("--all", options->all, "every proof");
  verb->add_option("--seeds", options->proof.seeds, "how many seeds; as the proof says unless given")->check(CLI::Range(1, 1000));
  verb->add_option("--seed-offset", options->proof.seed_offset, "added to every seed: another draw of the same proof")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--jobs", options->proof.jobs, "runs at the same time, one thread each; one a core unless given")
      ->check(CLI::Range(1, 1024));
  verb->add_option("--data", options->proof.data, "a data variant of the proof");
  verb->add_option("--set", options->proof.sets, "a.b=c: set a key in every arm; may be repeated; no evidence is written")
      ->allow_extra_args(false);
  verb->add_option("--evidence", options->evidence, "folder of evidence files")->capture_default_str();
  verb->add_flag("--smoke", options->smoke, "three steps of every arm: does it run?");
  verb->add_flag("--json", options->json, "print the results as JSON on stdout");
  verb->callback([options] { run(*options); });
}

}  // namespace retort
