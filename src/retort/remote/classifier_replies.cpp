// Replies of a classifier.
#include <algorithm>
#include <cmath>

#include "retort/remote/chat.h"
#include "retort/remote/wire_values.h"

namespace retort {
namespace {

using nlohmann::json;

// How far rounding can move a sum of these probabilities: half a unit of the last decimal that any of them uses, each.
double rounding_of(const std::vector<float>& row) {
  double unit = 1;
  for (int decimals = 0; decimals <= 4; ++decimals, unit /= 10) {
    const auto fits = [&](float p) { return std::abs(p / unit - std::round(p / unit)) < 1e-4; };
    if (std::all_of(row.begin(), row.end(), fits)) return 0.5 * unit * static_cast<double>(row.size());
  }
  return 0;
}

void check_probabilities(const std::vector<float>& row, size_t at) {
  double sum = 0;
  for (const float p : row) {
    if (p < -1e-6 || p > 1 + 1e-3) throw BrokenReply(fmt::format("a probability of {:g} (entry {})", p, at));
    sum += p;
  }
  const double slack = std::max(2e-3, rounding_of(row));
  const bool hides = std::any_of(row.begin(), row.end(), [](float p) { return p == 0; });  // only the largest are shown
  if (sum > 1 + slack || (sum < 1 - slack && !hides) || sum <= 0)
    throw BrokenReply(fmt::format("probabilities that sum to {:.4g} (entry {})", sum, at));
}

}  // namespace

Checked check_classifier(const Question& question, const json& body) {
  if (!body.is_object()) throw BrokenReply("JSON that is no object");
  const size_t expected = entry_of(question.request, "inputs").size();
  const auto fits = [&](size_t count, const char* what) {
    if (count != expected) throw BrokenReply(fmt::format("{} {} for {} inputs", count, what, expected));
  };
  json kept;
  for (const char* name : {"probs", "scores"}) {
    const json& entry = entry_of(body, name);
    if (entry.is_null()) continue;
    const auto rows = rows_of(entry, name);
    fits(rows.size(), name);
    if (std::string(name) == "probs") {
      for (size_t i = 0; i < rows.size(); ++i) check_probabilities(rows[i], i);
    }
    kept[name] = shortest_rows(rows);
    break;
  }
  if (const json& labels = entry_of(body, "labels"); kept.is_null() && !labels.is_null()) {
    if (!labels.is_array()) throw BrokenReply("labels that are no list");
    fits(labels.size(), "labels");
    kept["labels"] = json::array();
    for (const json& label : labels) {
      if (!label.is_number_integer() || label.get<double>() < 0 || label.get<double>() > 1e9)
        throw BrokenReply("a label that is no class number");
      kept["labels"].push_back(label.get<int64_t>());
    }
  }
  if (kept.is_null()) throw BrokenReply("neither probs nor labels nor scores");
  const json& usage = entry_of(body, "usage");
  return {std::move(kept), {1, count_of(usage, "prompt_tokens", 0), count_of(usage, "completion_tokens", 0), 0}};
}

Classified classified_of(const json& reply) {
  try {
    Classified said;
    if (reply.contains("probs")) said.probabilities = reply.at("probs").get<std::vector<std::vector<float>>>();
    if (reply.contains("scores")) said.scores = reply.at("scores").get<std::vector<std::vector<float>>>();
    if (reply.contains("labels")) said.labels = reply.at("labels").get<std::vector<int64_t>>();
    if (!said.probabilities.empty() || !said.scores.empty() || !said.labels.empty()) return said;
  } catch (const json::exception&) {
  }
  throw DataError("a kept reply is none of a classifier", "was the cache written by another version? Ask again with another cache file");
}

}  // namespace retort
