#include "retort/methods/search/boss_knobs.h"

#include "retort/base/error.h"

namespace retort::search {

void BossKnobs::describe(Knobs& knobs) {
  knobs("trials", trials, "trainings in all; each takes train.epochs", at_least(1));
  knobs("warmup", warmup, "the first of them, which are plain search; as many as trials makes all of it plain search", at_least(1));
  knobs("k", k, "how many of the best trials so far may start or teach the next one", at_least(1));
  knobs("pretrained", pretrained,
        "trials after the warm-up start from a member of the pool; false: from random weights, with a member as teacher");
  engine.describe(knobs);
  knobs("lr", lr, "bounds of the learning rate, logarithmic; [] keeps train.lr");
  knobs("weight_decay", weight_decay, "bounds of the weight decay, logarithmic; [] keeps train.weight_decay");
  knobs("one_minus_momentum", one_minus_momentum, "bounds of 1 - momentum (of 1 - beta1 for adam), logarithmic; [] keeps train.momentum");
  knobs("batch", batch, "bounds of the batch size; [] keeps train.batch");
  knobs("nets", nets, "architectures to choose from; [] keeps student.net");
  knobs("alpha", alpha, "share of the labels in the loss of taught trials; -1 lets the search choose it in [0, 1]", between(-1, 1));
  knobs("pool", pool, "which trials are members: top, the k best; random, k of all; last, the latest alone",
        one_of({"top", "random", "last"}));
  knobs("members", members, "two: start and teacher are different members; same: one member is both", one_of({"two", "same"}));
  knobs("ancestors", ancestors, "distinct: start and teacher go back to different warm-up trials wherever that is possible",
        one_of({"any", "distinct"}));
  knobs("extra", extra,
        "a further term of every trial's loss: pseudo_labels, sure decisions on unlabelled images; class_balance, labels weighted by the "
        "rarity of their class",
        one_of({"none", "pseudo_labels", "class_balance"}));
  knobs("extra_weight", extra_weight, "weight of that term", at_least(0));
  knobs("threshold", threshold, "pseudo_labels: the least probability of a decision that counts as sure", between(0, 1));
  knobs("score", score, "what trials are ranked by, on the validation part", one_of({"accuracy", "balanced_accuracy"}));
  knobs("slots", slots, "trials that run at the same time, each in a process of its own", at_least(1));
}

Space BossKnobs::space(bool taught) const {
  std::vector<Dimension> dimensions;
  const auto bounds = [](const std::string& name, const std::vector<double>& list) {
    if (list.size() == 2) return true;
    if (list.empty()) return false;
    throw ConfigError(fmt::format("knobs.{}: expected [low, high], received {} numbers", name, list.size()),
                      "or [] to leave it out of the search");
  };
  if (bounds("lr", lr)) dimensions.push_back(log_real("lr", lr[0], lr[1]));
  if (bounds("weight_decay", weight_decay)) dimensions.push_back(log_real("weight_decay", weight_decay[0], weight_decay[1]));
  if (bounds("one_minus_momentum", one_minus_momentum))
    dimensions.push_back(log_real("one_minus_momentum", one_minus_momentum[0], one_minus_momentum[1]));
  if (bounds("batch", batch)) dimensions.push_back(whole("batch", batch[0], batch[1], /*log=*/true));
  if (nets.size() > 1) dimensions.push_back(search::choice("net", nets));
  if (taught && alpha < 0) dimensions.push_back(real("alpha", 0, 1));
  if (dimensions.empty()) dimensions.push_back(search::choice("settings", {"of the recipe"}));
  return Space(std::move(dimensions));
}

void BossKnobs::check(const Recipe& recipe) const {
  const auto refuse = [&](const std::string& key, const std::string& why, const std::string& hint) {
    throw ConfigError(fmt::format("{}: {}: {}", recipe.where(key), key, why), hint);
  };
  if (recipe.has("teacher"))
    refuse("teacher", "the trials of boss are taught by each other",
           "leave [teacher] out; for a teacher that is there already take kd.hinton");
  if (alpha < 0 && alpha != -1)
    refuse("knobs.alpha", fmt::format("expected a share in [0, 1], or -1, received {}", alpha), "-1 lets the search choose it");
  if (warmup < trials && pretrained && k < 2 && members == "two")
    refuse("knobs.k", fmt::format("start and teacher are two members of a pool of {}", k),
           "set knobs.k = 2 or more, or knobs.pretrained = false");
  if (warmup < trials && warmup < k)
    refuse("knobs.warmup", fmt::format("{} warm-up trials do not fill a pool of {}", warmup, k), "let warmup be at least k");
  if (pretrained && nets.size() > 1 && warmup < trials)
    refuse("knobs.nets", "weights do not move from one architecture to another", "name one net, or set knobs.pretrained = false");
  try {
    space(true);
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("{}: {}", recipe.where("knobs"), error.what()), error.hint());
  }
}

ExtraTerm BossKnobs::extra_term() const {
  if (extra == "pseudo_labels") return pseudo_label_term(threshold, extra_weight);
  if (extra == "class_balance") return class_balance_term(extra_weight);
  return {};
}

}  // namespace retort::search
