// Distillation with everything measured: one cell of a study (52), useful alone.  Overview: arXiv 2310.02421
#pragma once

#include "retort/train/method.h"

namespace retort::study {

// How much a teacher's softened answers say beside their decision, averaged over rows [n, classes].
struct DarkKnowledge {
  double entropy = 0;  // of softmax(z/T), nats
  double off_top = 0;  // probability of all classes but the likeliest
};
DarkKnowledge dark_knowledge(const Tensor& teacher_logits, double temperature);

// The gradient of T^2 KL(teacher || student) with respect to the student's logits of one row, over what it becomes when T grows without bound: the
// difference of the centred logits over the number of classes.
Tensor normalised_kd_gradient(const Tensor& student, const Tensor& teacher, double temperature);

Method measured();

}  // namespace retort::study
