#include "retort/catalogue/study_design.h"

#include <cmath>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "retort/base/error.h"

namespace retort {
namespace {

size_t nearest(const std::vector<double>& levels, double wanted) {
  return static_cast<size_t>(
      std::min_element(levels.begin(), levels.end(), [&](double a, double b) { return std::abs(a - wanted) < std::abs(b - wanted); }) -
      levels.begin());
}

// "poor: teacher.train.epochs=1; teacher.net=mlp-8" -> its name and its assignments.
std::pair<std::string, std::vector<std::string>> teacher_of(const std::string& text) {
  const size_t colon = text.find(':');
  std::vector<std::string> sets;
  for (size_t at = colon == std::string::npos ? text.size() : colon + 1; at < text.size();) {
    const size_t end = std::min(text.find(';', at), text.size());
    std::string set = text.substr(at, end - at);
    set.erase(0, set.find_first_not_of(' '));
    if (!set.empty()) sets.push_back(set);
    at = end + 1;
  }
  return {text.substr(0, colon), sets};
}

template <class Value>
std::string twice(const std::vector<Value>& values) {
  std::set<Value> seen;
  for (const Value& value : values)
    if (!seen.insert(value).second) return fmt::format("{}", value);
  return {};
}

template <class Value>
void check_levels(const Recipe& recipe, const char* key, const std::vector<Value>& values) {
  const auto refuse = [&](const std::string& what, const char* hint) {
    throw ConfigError(fmt::format("{}: knobs.{}: {}", recipe.where(fmt::format("knobs.{}", key)), key, what), hint);
  };
  if (values.empty()) refuse("a factor without levels", "name at least one");
  if (const std::string again = twice(values); !again.empty()) refuse(fmt::format("{} comes twice", again), "name every level once");
}

}  // namespace

void StudyKnobs::describe(Knobs& knobs) {
  knobs("temperatures", temperatures, "temperatures to study", above(0));
  knobs("weights", weights, "shares of the teacher in the loss; 0, the labels alone, must be among them", between(0, 1));
  knobs("students", students, "nets of the student, from small to large");
  knobs("teachers", teachers,
        "teachers, from poor to good: a name, a colon and what sets it apart in the recipe, as in \"poor: teacher.train.epochs=1; "
        "teacher.net=mlp-8\"");
  knobs("fractions", fractions, "shares of the training labels that the student gets, from few to all", between(0.001, 1));
  knobs("centre_temperature", centre_temperature, "temperature while another factor is screened", above(0));
  knobs("centre_weight", centre_weight, "share of the teacher while another factor is screened", between(0, 1));
  knobs("screening", screening, "share of the epochs that a screening run gets", between(0.01, 1));
  knobs("joint", joint, "screen temperature and weight together, for a whole heat map, instead of one at a time");
  knobs("keep", keep, "levels of every factor that are confirmed; 0 for all of them, the full grid", at_least(0));
  knobs("seeds", seeds, "seeds of a confirming run", at_least(1));
  knobs("epsilon", epsilon, "points below the teacher that a student may be to count as good as it", at_least(0));
  knobs("budget", budget,
        "the most that the study may cost, in trainings of full length (a screening run counts its share); 0 for no limit", at_least(0));
  knobs("choose_by", choose_by, "what decides on the validation part", one_of({"accuracy", "nll"}));
}

void StudyKnobs::check(const Recipe& recipe) const {
  check_levels(recipe, "temperatures", temperatures);
  check_levels(recipe, "weights", weights);
  check_levels(recipe, "students", students);
  check_levels(recipe, "fractions", fractions);
  std::vector<std::string> names;
  for (const std::string& teacher : teachers) names.push_back(teacher_of(teacher).first);
  check_levels(recipe, "teachers", names);
  if (std::find(weights.begin(), weights.end(), 0.0) == weights.end())
    throw ConfigError(recipe.where("knobs.weights") + ": knobs.weights: 0 is not among them",
                      "the labels alone are what a teacher is compared with");
}

StudyDesign::StudyDesign(StudyKnobs knobs) : knobs_(std::move(knobs)) {
  centre_ = {nearest(knobs_.temperatures, knobs_.centre_temperature), nearest(knobs_.weights, knobs_.centre_weight),
             knobs_.students.size() / 2, knobs_.teachers.size() - 1, knobs_.fractions.size() - 1};
  no_teacher_ = nearest(knobs_.weights, 0);
}

size_t StudyDesign::levels(Factor factor) const {
  const std::array<size_t, kFactors> sizes = {knobs_.temperatures.size(), knobs_.weights.size(), knobs_.students.size(),
                                              knobs_.teachers.size(), knobs_.fractions.size()};
  return sizes[factor];
}

std::string StudyDesign::label(Factor factor, size_t level) const {
  switch (factor) {
    case kTemperature:
      return fmt::format("{:g}", knobs_.temperatures[level]);
    case kWeight:
      return fmt::format("{:g}", knobs_.weights[level]);
    case kStudent:
      return knobs_.students[level];
    case kTeacher:
      return teacher_of(knobs_.teachers[level]).first;
    case kFraction:
      return fmt::format("{:g} %", 100 * knobs_.fractions[level]);
  }
  return {};
}

std::string StudyDesign::text(const Cell& cell) const {
  std::string said = label(kStudent, cell[kStudent]);
  if (cell[kWeight] == no_teacher_)
    said += ", labels alone";
  else
    said += fmt::format(", teacher {}, T = {}, w_kd = {}", label(kTeacher, cell[kTeacher]), label(kTemperature, cell[kTemperature]),
                        label(kWeight, cell[kWeight]));
  return levels(kFraction) > 1 ? said + fmt::format(", {} of the labels", label(kFraction, cell[kFraction])) : said;
}

std::vector<std::string> StudyDesign::sets(const Cell& cell) const {
  std::vector<std::string> all = teacher_of(knobs_.teachers[cell[kTeacher]]).second;
  all.push_back(fmt::format("knobs.temperature={}", to_toml(knobs_.temperatures[cell[kTemperature]])));
  all.push_back(fmt::format("knobs.w_kd={}", to_toml(knobs_.weights[cell[kWeight]])));
  all.push_back("student.net=" + to_toml(knobs_.students[cell[kStudent]]));
  all.push_back(fmt::format("data.label_fraction={}", to_toml(knobs_.fractions[cell[kFraction]])));
  return all;
}

Cell StudyDesign::canonical(Cell cell) const {
  if (cell[kWeight] == no_teacher_) cell[kTemperature] = centre_[kTemperature], cell[kTeacher] = centre_[kTeacher];
  return cell;
}

Cell StudyDesign::without_teacher(Cell cell) const {
  cell[kWeight] = no_teacher_;
  return canonical(cell);
}

std::vector<Cell> StudyDesign::students(const Cell& around, bool teacher) const {
  std::vector<Cell> cells;
  for (size_t student = 0; student < levels(kStudent); ++student) {
    Cell cell = around;
    cell[kStudent] = student;
    cells.push_back(teacher ? canonical(cell) : without_teacher(cell));
  }
  return cells;
}

std::vector<Cell> StudyDesign::screening() const {
  std::set<Cell> cells = {canonical(centre_)};
  for (size_t factor = 0; factor < kFactors; ++factor) {
    for (size_t level = 0; level < levels(static_cast<Factor>(factor)); ++level) {
      Cell cell = centre_;
      cell[factor] = level;
      cells.insert(canonical(cell));
    }
  }
  for (size_t t = 0; knobs_.joint && t < levels(kTemperature); ++t) {
    for (size_t w = 0; w < levels(kWeight); ++w) {
      Cell cell = centre_;
      cell[kTemperature] = t, cell[kWeight] = w;
      cells.insert(canonical(cell));
    }
  }
  return {cells.begin(), cells.end()};
}

// What was seen of a level with the other factors at their centre; temperature and weight, screened together, at the best level of the other.
double StudyDesign::score_of(Factor factor, size_t level, const CellScores& screened) const {
  const bool paired = knobs_.joint && (factor == kTemperature || factor == kWeight);
  double best = -std::numeric_limits<double>::infinity();
  for (const auto& [cell, score] : screened) {
    bool counts = cell[factor] == level && (factor != kTemperature || has_teacher(cell) || !has_teacher(centre_));
    for (size_t other = 0; other < kFactors; ++other) {
      const bool free = other == factor || (paired && (other == kTemperature || other == kWeight));
      counts = counts && (free || cell[other] == centre_[other]);
    }
    if (counts) best = std::max(best, score);
  }
  return best;
}

std::vector<size_t> StudyDesign::kept(Factor factor, const CellScores& screened) const {
  std::vector<size_t> order(levels(factor));
  for (size_t level = 0; level < order.size(); ++level) order[level] = level;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return score_of(factor, a, screened) > score_of(factor, b, screened); });
  if (knobs_.keep > 0 && order.size() > static_cast<size_t>(knobs_.keep)) order.resize(static_cast<size_t>(knobs_.keep));
  return order;
}

double StudyDesign::effect(Factor factor, const CellScores& screened) const {
  double best = -std::numeric_limits<double>::infinity(), worst = -best;
  for (size_t level = 0; level < levels(factor); ++level) {
    const double score = score_of(factor, level, screened);
    if (!std::isfinite(score)) continue;  // temperatures, where the centre has no teacher
    best = std::max(best, score);
    worst = std::min(worst, score);
  }
  return std::isfinite(best) ? best - worst : 0;
}

std::vector<Cell> StudyDesign::factorial(const std::array<std::vector<size_t>, kFactors>& kept) const {
  std::set<Cell> cells;
  Cell cell{};
  const std::function<void(size_t)> fill = [&](size_t factor) {
    if (factor == kFactors) {
      cells.insert(canonical(cell));
      cells.insert(without_teacher(cell));
      return;
    }
    for (const size_t level : kept[factor]) {
      cell[factor] = level;
      fill(factor + 1);
    }
  };
  fill(0);
  return {cells.begin(), cells.end()};
}

std::vector<Cell> StudyDesign::curves(const Cell& around) const {
  std::set<Cell> cells;
  for (const bool taught : {true, false})
    for (const Cell& cell : students(around, taught)) cells.insert(cell);
  for (size_t teacher = 0; teacher < levels(kTeacher); ++teacher) {
    Cell cell = around;
    cell[kStudent] = centre_[kStudent], cell[kTeacher] = teacher;
    cells.insert(canonical(cell));
  }
  return {cells.begin(), cells.end()};
}

StudyDesign::Affordable StudyDesign::affordable(const CellScores& screened) const {
  Affordable plan{{}, knobs_.seeds};
  for (size_t factor = 0; factor < kFactors; ++factor) plan.kept[factor] = kept(static_cast<Factor>(factor), screened);
  if (knobs_.budget <= 0) return plan;
  const double left = knobs_.budget - knobs_.screening * static_cast<double>(screening().size());
  const auto cost = [&] {
    return static_cast<double>(plan.seeds) * static_cast<double>(factorial(plan.kept).size() + 2 * levels(kStudent) + levels(kTeacher));
  };
  while (cost() > left) {
    size_t least = kFactors;
    for (size_t factor = 0; factor < kFactors; ++factor) {
      if (plan.kept[factor].size() < 2) continue;
      if (least == kFactors || effect(static_cast<Factor>(factor), screened) < effect(static_cast<Factor>(least), screened)) least = factor;
    }
    if (least < kFactors)
      plan.kept[least].pop_back();
    else if (plan.seeds > 1)
      --plan.seeds;
    else
      throw BudgetError(fmt::format("a budget of {:g} trainings does not reach for one run of each thing that is compared: that takes {:g}",
                                    knobs_.budget, cost() + knobs_.budget - left),
                        "raise knobs.budget, or study fewer students and teachers");
  }
  return plan;
}

}  // namespace retort
