// Which runs a study of distillation makes (52, arXiv 2310.02421): factors and their levels, screening around a centre, the full factorial of what is kept.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "retort/base/recipe.h"

namespace retort {

enum Factor : size_t { kTemperature, kWeight, kStudent, kTeacher, kFraction };
constexpr size_t kFactors = 5;

struct StudyKnobs {
  std::vector<double> temperatures = {1, 2, 4, 8, 16}, weights = {0, 0.25, 0.5, 0.75, 1}, fractions = {1};
  std::vector<std::string> students = {"mlp-8", "mlp-16", "mlp-32"},
                           teachers = {"poor: teacher.train.epochs=1", "fair: teacher.train.epochs=4", "best:"};
  double centre_temperature = 4, centre_weight = 0.5, screening = 1.0 / 3, epsilon = 1, budget = 0;
  int64_t keep = 2, seeds = 3;
  bool joint = false;
  std::string choose_by = "accuracy";
  void describe(Knobs& knobs);
  void check(const Recipe& recipe) const;  // throws ConfigError: an empty factor, no weight 0, a level that comes twice
};

using Cell = std::array<size_t, kFactors>;  // the level of each factor
using CellScores = std::map<Cell, double>;  // higher is better

class StudyDesign {
 public:
  explicit StudyDesign(StudyKnobs knobs);
  const StudyKnobs& knobs() const { return knobs_; }
  size_t levels(Factor factor) const;
  std::string label(Factor factor, size_t level) const;
  std::string text(const Cell& cell) const;  // "mlp-16, teacher best, T = 4, w_kd = 0.5"
  // What sets a cell apart in a recipe: assignments "a.b=c".
  std::vector<std::string> sets(const Cell& cell) const;

  // The middle: temperature and weight nearest to the knobs', the middle student, the last teacher, the last fraction.
  const Cell& centre() const { return centre_; }
  // Without weight for the teacher its temperature and quality say nothing: such cells are one, at the centre of both.
  Cell canonical(Cell cell) const;
  Cell without_teacher(Cell cell) const;                               // the same with weight 0
  std::vector<Cell> students(const Cell& around, bool teacher) const;  // every student with the settings of a cell, or without teacher
  bool has_teacher(const Cell& cell) const { return cell[kWeight] != no_teacher_; }

  // One factor at a time around the centre; with `joint` the whole grid of temperature and weight.
  std::vector<Cell> screening() const;
  // The best levels of a factor by the scores of the screening, best first; ties go to the earlier level.
  std::vector<size_t> kept(Factor factor, const CellScores& screened) const;
  // All combinations of what is kept, and each without its teacher.
  std::vector<Cell> factorial(const std::array<std::vector<size_t>, kFactors>& kept) const;
  // Every student with the settings of a cell and without teacher, and every teacher with the middle student.
  std::vector<Cell> curves(const Cell& around) const;

  // Levels and seeds that a budget (full trainings; 0: no limit) allows after the screening: levels of the factor that mattered least go first, then
  // seeds. Throws BudgetError when not even one run of each is left.
  struct Affordable {
    std::array<std::vector<size_t>, kFactors> kept;
    int64_t seeds;
  };
  Affordable affordable(const CellScores& screened) const;

 private:
  StudyKnobs knobs_;
  Cell centre_{};
  size_t no_teacher_ = 0;  // the level of weight 0

  double effect(Factor factor, const CellScores& screened) const;  // best minus worst level
  double score_of(Factor factor, size_t level, const CellScores& screened) const;
};

}  // namespace retort
