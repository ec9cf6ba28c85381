// 52 Can a student perform as well as its teacher? A designed study of distillation for one's own teachers, data and budget.  Overview: arXiv 2310.02421
#pragma once

#include <optional>

#include "retort/catalogue/proof_jobs.h"
#include "retort/catalogue/study_design.h"
#include "retort/train/method.h"

namespace retort {

// Results of a study: cells with the metrics of their seeds.
struct StudyResults {
  struct Entry {
    Cell cell;
    bool screening = false;
    int64_t seed = 0;
    ProofResult result;
    std::string folder;
    bool factorial = false;  // of the confirmation; the curves are drawn beside it
  };
  std::vector<Entry> entries;  // every run once

  // Over the seeds of the confirming runs (`screening`: of the screening run). Nothing when there is none.
  std::vector<double> values(const Cell& cell, const std::string& metric, bool screening = false) const;
  std::optional<double> mean_of(const Cell& cell, const std::string& metric, bool screening = false) const;
  std::vector<Cell> confirmed() const;
};

// What the study advises, decided on the validation part alone.
struct Recommendation {
  Cell best{};                   // the best mean score of all confirmed cells
  Cell taught{};                 // the best of those with a teacher: what the curves are drawn with
  std::optional<Cell> smallest;  // the smallest student within epsilon of the best teacher
  std::string text;              // one paragraph: what, and why
  std::vector<std::string> warnings;
};
Recommendation recommend(const StudyDesign& design, const StudyResults& results);
// The score that decides: higher is better.
double study_score(const StudyDesign& design, const std::map<std::string, double>& metrics);
Cell best_cell(const StudyDesign& design, const StudyResults& results, bool with_teacher = false);

Method kd_study();

}  // namespace retort
