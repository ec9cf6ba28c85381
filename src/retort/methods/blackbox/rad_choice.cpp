#include "retort/methods/blackbox/rad_choice.h"

#include "retort/search/active_selection.h"

namespace retort::blackbox {
namespace {

Tensor pool_logits(const Net& student, const Dataset& pool, at::Device device) {
  return predict_logits(student, prepared_inputs(pool).to(device)).cpu();
}

// The last layer's input where the net has such a tap, else the logits.
Tensor embeddings(const Net& student, const Dataset& rows, at::Device device) {
  const std::vector<std::string> names = student.tap_names();
  if (std::find(names.begin(), names.end(), "embedding") == names.end()) return pool_logits(student, rows, device);
  const at::NoGradGuard no_grad;
  Net net = student.clone();
  net.train(false);
  Taps taps;
  taps.wanted = {"embedding"};
  net.forward(prepared_inputs(rows).to(device), &taps);
  return taps.found.at("embedding").flatten(1).cpu();
}

Tensor gains_of(const ClassifierRun& c, const RadKnobs& knobs, const Net& student, const Dataset& candidates) {
  double temperature = 1;
  if (knobs.calibrate && c.splits.validation.size() > 0)
    temperature = best_temperature(pool_logits(student, c.splits.validation, c.run.device), c.splits.validation.labels);
  const Tensor probabilities = at::softmax(pool_logits(student, candidates, c.run.device) / temperature, 1);
  return knobs.gain == "margin"    ? search::margin_gains(probabilities)
         : knobs.gain == "entropy" ? search::entropy_gains(probabilities)
                                   : search::doubt_gains(probabilities);
}

}  // namespace

void RadKnobs::describe(Knobs& knobs) {
  knobs("select", select,
        "how points are chosen: rad, or without a thought for the teacher's errors: random, gain (the largest gains), k-centre, "
        "cluster-margin, or teacher-confidence, which asks about every point",
        one_of({"rad", "random", "gain", "k-centre", "cluster-margin", "teacher-confidence"}));
  knobs("gain", gain,
        "what a point would teach, from the student's probabilities: margin (1 - lead of the first class over the second), entropy, or "
        "doubt (1 - largest)",
        one_of({"margin", "entropy", "doubt"}));
  knobs("calibrate", calibrate,
        "gains of the student at the temperature that suits its validation part: an over-confident one finds nothing to learn");
  knobs(
      "labelled", labelled,
      "training rows that keep their label; the others are the pool, and their labels only tell how the choice went; 0: all that have one",
      at_least(0));
  knobs("budget", budget, "points to ask about; 0 is a tenth of the pool", at_least(0));
  knobs("rounds", rounds, "ask in so many parts, and train the student between them", at_least(1));
  knobs("wrong", wrong, "share of the pool that the teacher gets wrong; -1 measures it on the validation part", between(-1, 0.999));
  knobs("wrong_scale", wrong_scale, "times this: how sensitive the choice is to it", at_least(0));
  knobs("loss", loss, "what a wrong answer costs, in gains; 0: it only teaches nothing", at_least(0));
  knobs("temperature", temperature, "softmax temperature of both sides", above(0));
  knobs("flips", flips, "share of the teacher's answers that are made wrong, for studies", between(0, 1));
}

std::vector<int64_t> choose_points(const ClassifierRun& c, const RadKnobs& knobs, CountedAnswers& answers, const Net& student,
                                   const Dataset& candidates, const Dataset& covered, Round& round, Seed seed) {
  const int64_t n = candidates.size(), b = round.asked;
  const auto embedded = [&](const Dataset& rows) { return embeddings(student, rows, c.run.device); };
  if (knobs.select == "random") {
    const Tensor order = permutation(n, seed);
    return {order.data_ptr<int64_t>(), order.data_ptr<int64_t>() + b};
  }
  if (knobs.select == "teacher-confidence") return search::top_gains(std::get<0>(answers.ask(candidates).max(1)), b);
  if (knobs.select == "k-centre") return search::k_centre(embedded(candidates), embedded(covered), b);
  const Tensor gains = gains_of(c, knobs, student, candidates);
  if (knobs.select == "gain") return search::top_gains(gains, b);
  if (knobs.select == "cluster-margin") return search::cluster_margin(embedded(candidates), gains, b, b, seed);
  const Tensor wide = gains.to(at::kDouble).contiguous();
  round.gains.assign(wide.data_ptr<double>(), wide.data_ptr<double>() + n);
  const search::Marginals marginals = search::query_marginals(round.gains, round.wrong, b, knobs.loss);
  round.support = marginals.support;
  round.chances = marginals.chances;
  return search::dependent_rounding(marginals.chances, seed);
}

}  // namespace retort::blackbox
