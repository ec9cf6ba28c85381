// A teacher asked about chosen rows only, once each, every question counted; and learning from what it said.
#pragma once

#include <functional>
#include <memory>

#include "retort/teachers/id_table.h"
#include "retort/train/classifier.h"

namespace retort::blackbox {

class CountedAnswers {
 public:
  using Change = std::function<Tensor(const Tensor& probabilities, const Tensor& ids)>;
  // `change`: what becomes of an answer before anyone sees it (a world where the teacher errs more); empty for none.
  CountedAnswers(Teacher& teacher, at::Device device, Change change = {})
      : teacher_(teacher), device_(device), change_(std::move(change)) {}
  // Probabilities [n, classes], on the CPU, at the teacher's own temperature; a teacher of hard labels is sure of them. Rows asked before are not asked again.
  Tensor ask(const Dataset& rows);
  // Kept answers by id [b] int64, rows of zeros where there is none.
  Tensor kept(const Tensor& ids) const;
  int64_t questions() const { return table_.size(); }

 private:
  Teacher& teacher_;
  at::Device device_;
  Change change_;
  IdTable table_;
  Tensor answers_;  // [questions, classes]
};

// CE with the labels of the labelled rows and T^2 KL with the kept answers of the others, each weighted by its share of the batch.
std::unique_ptr<Objective> labels_and_answers(const CountedAnswers& answers, double temperature);

}  // namespace retort::blackbox
