#include "retort/catalogue/catalogue.h"

#include <filesystem>

#include "retort/base/error.h"
#include "retort/catalogue/study.h"
#include "retort/methods/audit/distill_compare.h"
#include "retort/methods/audit/rules_surrogate.h"
#include "retort/methods/baselines/ce.h"
#include "retort/methods/baselines/crd.h"
#include "retort/methods/baselines/dkd.h"
#include "retort/methods/baselines/fitnet.h"
#include "retort/methods/baselines/fixmatch.h"
#include "retort/methods/baselines/hinton.h"
#include "retort/methods/baselines/ls.h"
#include "retort/methods/blackbox/bidf_mkd.h"
#include "retort/methods/blackbox/mekd.h"
#include "retort/methods/blackbox/rad.h"
#include "retort/methods/compress/amd.h"
#include "retort/methods/compress/quant_distill.h"
#include "retort/methods/dense/bckd.h"
#include "retort/methods/features/random_teacher.h"
#include "retort/methods/features/stablekd.h"
#include "retort/methods/features/unic.h"
#include "retort/methods/features/vkd.h"
#include "retort/methods/logits/bd_kd.h"
#include "retort/methods/logits/funmatch.h"
#include "retort/methods/logits/lelp.h"
#include "retort/methods/logits/luminet.h"
#include "retort/methods/search/boss.h"
#include "retort/methods/self/pskd.h"
#include "retort/methods/self/self_distill.h"
#include "retort/methods/study/measured.h"
#include "retort/methods/teachers/distill_budget.h"
#include "retort/methods/teachers/meal_v2.h"

namespace retort {

const std::vector<Method>& methods() {
  using namespace baselines;
  static const std::vector<Method> table = {
      ce(),
      ls(),
      hinton(),
      dkd(),
      fitnet(),
      crd(),
      fixmatch(),
      logits::luminet(),
      logits::bd_kd(),
      logits::lelp(),
      logits::funmatch(),
      features::vkd(),
      features::random_teacher(),
      features::unic(),
      features::stablekd(),
      self::pskd(),
      self::self_distill(),
      teachers::meal_v2(),
      teachers::distill_budget(),
      compress::quant_distill(),
      compress::amd(),
      dense::bckd(),
      search::boss(),
      audit::rules_surrogate(),
      blackbox::rad(),
      audit::distill_compare(),
      blackbox::mekd(),
      blackbox::bidf_mkd(),
      kd_study(),
      study::measured(),
  };
  return table;
}

const Method& find_method(const std::string& id) {
  std::vector<std::string> ids;
  for (const Method& method : methods()) {
    if (method.info.id == id) return method;
    ids.push_back(method.info.id);
  }
  const std::string nearest = nearest_name(id, ids);
  throw ConfigError(
      fmt::format("method: there is no method \"{}\"", id),
      nearest.empty() ? "`retort methods` lists them all" : fmt::format("did you mean \"{}\"? `retort methods` lists them all", nearest));
}

std::vector<std::string> methods_that_work_with(Access shown) {
  std::vector<std::string> ids;
  for (const Method& method : methods())
    if (method.info.needed <= shown) ids.push_back(method.info.id);
  return ids;
}

namespace {

const Method& method_of(const Run& run, const std::string& verb) {
  const std::string where = run.recipe.where("method");
  if (run.settings.method.empty())
    throw ConfigError(where + ": method: missing", "add a line such as method = \"kd.hinton\"; `retort methods` lists them all");
  try {
    const Method& method = find_method(run.settings.method);
    if (verb.empty() || method.info.verb == verb) return method;
    throw ConfigError(fmt::format("method: {} belongs to `retort {}`, not to `retort {}`", method.info.id, method.info.verb, verb),
                      fmt::format("run `retort {} {}`", method.info.verb, run.recipe.name()));
  } catch (const ConfigError& error) {
    throw ConfigError(where + ": " + error.what(), error.hint());
  }
}

// A run that fails before its first row of metrics because of what it was given leaves no folder behind: what is mended is simply run again.
// One that had begun keeps what it has. A full disk may be why the run failed, so that this fails too; the first failure is the one to tell.
void leave_failed(Run& run, bool input_is_wrong) {
  if (!run.folder) return;
  try {
    std::error_code ignored;
    if (input_is_wrong && !run.resume && run.log->length() == 0)
      std::filesystem::remove_all(run.dir, ignored);
    else
      run.finish("failed");
  } catch (const Error&) {
  }
}

}  // namespace

Finished run_recipe(Recipe recipe, const std::string& verb, bool resume, bool quiet) {
  Run run(std::move(recipe), resume);
  run.quiet = quiet;
  const Method& method = method_of(run, verb);
  try {
    method.run(run);
  } catch (const AccessError& error) {
    leave_failed(run, /*input_is_wrong=*/true);
    if (error.shown < 0) throw;
    throw AccessError(error.what(), fmt::format("methods that work with it: {}",
                                                fmt::join(methods_that_work_with(static_cast<Access>(error.shown)), ", ")));
  } catch (const ConfigError&) {
    leave_failed(run, /*input_is_wrong=*/true);
    throw;
  } catch (const DataError&) {
    leave_failed(run, /*input_is_wrong=*/true);
    throw;
  } catch (const Interrupted&) {
    run.finish("interrupted");
    throw;
  } catch (...) {
    leave_failed(run, /*input_is_wrong=*/false);
    throw;
  }
  run.finish();
  return {run.dir, std::move(run.outcome)};
}

}  // namespace retort
