// 28 MEAL V2: polish a trained student with the averaged probabilities of several teachers, without labels.  arXiv 2009.08453
#pragma once

#include "retort/train/method.h"

namespace retort::teachers {

// Step 2, over members' logits z_m [batch, classes] each; weights are brought to the sum 1, no weights are equal ones.
Tensor mean_probabilities(const Tensors& members, const std::vector<double>& weights = {});  // q = sum_m w_m softmax(z_m)
Tensor mean_logits(const Tensors& members, const std::vector<double>& weights = {});         // what the discriminator sees of the teachers

// Steps 3 and 4: how a student's and the teachers' rows look to the discriminator. adversarial: the student's gradient is reversed, so that it learns to
// deceive; joint (the paper's code): both minimise the loss, which keeps the student's outputs apart from the teachers'.
Tensor discrimination(const Net& discriminator, const Tensor& student, const Tensor& teachers, bool adversarial);

Method meal_v2();

}  // namespace retort::teachers
