// 68 LELP: with few classes a teacher's logits say little; its embeddings split every class into pseudo-subclasses that a student can learn.
// arXiv 2409.20449. The mathematics is in pseudo_subclasses.h.
#pragma once

#include "retort/train/method.h"

namespace retort::logits {

// (1-w) * CE(q, softmax(z / T_s)) over the subclasses + w * (labels' loss over the classes). z, q: [batch, c*s]; scalar.
Loss lelp_loss(const Tensor& subclass_logits, const Tensor& targets, double student_temperature, const Tensor& label_term, double w);

Method lelp();

}  // namespace retort::logits
