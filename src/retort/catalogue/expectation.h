// Expectations of a proof, written as a sentence of arithmetic over arms:
//
//   accuracy: luminet >= ce + 1.0          metric: expression relation expression
//   ece: kd < min(ce, ls)                  min, max and mean of several expressions
//   accuracy: kd - ce >= 0.5 * (dkd - ce)  linear: numbers may multiply and divide, arms may not
//   accuracy: kd.agreement > 90            one arm's value of another metric
#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "retort/stats/paired.h"

namespace retort {

using ArmMetric = std::pair<std::string, std::string>;      // arm, metric
using ArmValues = std::function<double(const ArmMetric&)>;  // the values of one seed
using LinearForm = std::function<double(const ArmValues&)>;

struct Expectation {
  std::string text, metric, relation;  // relation: >=, >, <=, <, ==
  LinearForm left, right;
  std::set<ArmMetric> uses;

  // How far one seed's values are on the right side of the relation; negative on the wrong side. For == minus the distance.
  double surplus(const ArmValues& values) const;
  // The number that the relation adds to the compared arms: 1.0 in "luminet >= ce + 1.0".
  double margin() const;
};

// `where` leads the ConfigError of a sentence that cannot be read. Arm names are not checked here.
Expectation parse_expectation(const std::string& text, const std::string& where);

enum class Verdict { holds, does_not_hold, undecided };
std::string to_string(Verdict verdict);

struct Judgement {
  std::vector<double> surplus;  // per seed
  PairedComparison paired;      // of the surplus against 0
  bool mean_met = false;        // the mean of the seeds satisfies the relation
  Verdict verdict = Verdict::undecided;
};

// Margins of the cards speak of means, so "holds" asks that the mean is on the right side and "does not hold" that it is on the wrong one; when the
// 95% bootstrap interval of the mean surplus reaches across 0, or there are fewer than three seeds, the verdict is "undecided". An expectation
// with == is decided by every seed alone: values equal to 1e-9 of their size.
Judgement judge(const Expectation& expectation, const std::vector<ArmValues>& seeds);

}  // namespace retort
