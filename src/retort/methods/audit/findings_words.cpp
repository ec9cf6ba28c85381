#include "retort/methods/audit/findings_words.h"

#include <cmath>
#include <numeric>

namespace retort::audit {
namespace {

std::string joined(const std::vector<std::string>& parts) {
  if (parts.size() < 2) return parts.empty() ? "" : parts[0];
  return fmt::format("{} and {}", fmt::join(parts.begin(), parts.end() - 1, ", "), parts.back());
}

std::string share(int64_t rows, int64_t all) {
  return fmt::format("{:.0f} % of the rows", 100.0 * static_cast<double>(rows) / static_cast<double>(all));
}

// "as if the odds were 40 % higher", or so many units of a real outcome.
std::string size_in_words(const Findings& found, double difference) {
  if (!found.log.binary) return fmt::format("{:.3g} {}", std::abs(difference), difference > 0 ? "higher" : "lower");
  const double odds = std::exp(difference);
  if (odds >= 2) return fmt::format("as if the odds of the outcome were {:.1f} times as high", odds);
  return fmt::format("as if the odds of the outcome were {:.0f} % {}", 100 * std::abs(odds - 1), difference > 0 ? "higher" : "lower");
}

}  // namespace

const std::string& name_of(const Findings& found, int64_t feature) { return found.log.columns[static_cast<size_t>(feature)].name; }

double movement(const Findings& found, const AdditiveModel& model, int64_t feature) {
  double squares = 0;
  const uint8_t* codes = found.bench.table.column(feature);
  for (int64_t i = 0; i < found.log.rows(); ++i) squares += std::pow(model.curves[static_cast<size_t>(feature)][codes[i]], 2);
  return std::sqrt(squares / static_cast<double>(found.log.rows()));
}

std::vector<int64_t> by_movement(const Findings& found) {
  std::vector<int64_t> order(found.log.columns.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<double> size;
  for (const int64_t j : order) size.push_back(movement(found, found.mimic, j));
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return size[static_cast<size_t>(a)] > size[static_cast<size_t>(b)]; });
  return order;
}

std::string what_it_uses(const Findings& found) {
  std::vector<std::string> strong, weak;
  const std::vector<int64_t> order = by_movement(found);
  const double most = movement(found, found.mimic, order[0]);
  for (const int64_t j : order)
    (movement(found, found.mimic, j) >= 0.25 * most && strong.size() < 4 ? strong : weak).push_back(name_of(found, j));
  return fmt::format("The score moves most with {}.", joined(strong)) +
         (weak.empty()
              ? ""
              : fmt::format(" {} {} it little, as far as the students can tell.", joined(weak), weak.size() == 1 ? "moves" : "move"));
}

std::vector<std::string> where_it_parts(const Findings& found) {
  if (found.bins.empty()) return {"The two curves were not compared: no bootstrap samples were asked for."};
  if (found.outcome.curves.empty()) return {"Without a student of the outcome nothing can be said about what is justified."};
  std::vector<FlaggedRange> ranges = flagged_ranges(found.bins, true, found.log.columns);
  std::stable_sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) {
    return std::abs(a.difference) * static_cast<double>(a.rows) > std::abs(b.difference) * static_cast<double>(b.rows);
  });
  if (ranges.empty()) return {"Nowhere is the score clearly above or below what the outcomes justify."};
  std::vector<std::string> lines;
  for (const FlaggedRange& range : ranges) {
    if (lines.size() == 8) {
      lines.push_back(fmt::format("{} smaller differences are in the table below.", ranges.size() - 8));
      break;
    }
    lines.push_back(fmt::format("{}, {} ({}): the score is {} than the outcomes justify, {}.", name_of(found, range.feature),
                                range_in_words(found, range), share(range.rows, found.log.rows()),
                                range.difference > 0 ? "higher" : "lower", size_in_words(found, range.difference)));
  }
  return lines;
}

std::string about_missing(const Findings& found) {
  if (found.held.mimic.empty()) return "Whether features are missing was not tested.";
  if (!found.tested) return "Whether features are missing cannot be said: " + found.untested + ". Allow more rounds.";
  const std::string numbers = fmt::format("(r = {:.3f}, {:.0f} % interval {:.3f} to {:.3f})", found.residuals.pearson, 100 * found.level,
                                          found.residuals.low, found.residuals.high);
  if (found.missing_features())
    return fmt::format(
        "Features are probably missing from this log: what the students cannot explain of the score goes with what they cannot explain of "
        "the outcome {}. The score seems to use something that bears on the outcome and is not here.",
        numbers);
  return fmt::format(
      "There is no sign that the log lacks features that matter: what the students cannot explain of the score has nothing clear to do "
      "with the outcome {}.",
      numbers);
}

bool opaque_is_better(const Findings& found) {
  return found.opaque.mimic_rmse > 0 && found.opaque.mimic_rmse < 0.95 * found.transparent.mimic_rmse;
}

std::string how_far_to_trust(const Findings& found) {
  if (found.held.mimic.empty()) return "Only the mimic was fitted; its curves come without a check.";
  std::string text = fmt::format("On rows that it has not seen, the mimic explains {:.0f} % of the score's variation",
                                 100 * std::max(0.0, found.transparent.mimic_r2));
  if (found.log.binary)
    text += fmt::format(", and the student of the outcome ranks a case above a non-case {:.0f} times in 100",
                        100 * found.transparent.outcome_auc);
  text += ". ";
  if (found.opaque.mimic_rmse <= 0) return text + "No opaque model was asked for a comparison.";
  if (opaque_is_better(found))
    return text +
           "An opaque model mimics the score more than 5 % better: the curves leave something out. Allow more pairs before reading much "
           "into them.";
  return text +
         "An opaque model does hardly better, so the curves leave little out that these features could tell. The rest of the score comes "
         "from elsewhere.";
}

}  // namespace retort::audit
