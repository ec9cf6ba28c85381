// Images out of an API: a generator and its codes learn, from answers alone, to make images that the API sees as wanted (BiDf-MKD, step 1 and 3).
#pragma once

#include "retort/data/dataset.h"
#include "retort/nets/generator.h"
#include "retort/search/zeroth_order.h"
#include "retort/teachers/counted.h"

namespace retort::blackbox {

// l_i - lambda_adv 1[argmax s_i = argmax t_i] ||t_i - s_i||_1, l_i = CE(t_i, y_i). teacher: [n*b, classes], row k*b + i of sample i; targets: [b] int64;
// student: [b, classes], at the unperturbed inputs, constant, or undefined for l_i alone. -> [n*b].
Tensor recovery_loss(const Tensor& teacher, const Tensor& targets, const Tensor& student, double lambda_adv);

struct RecoveryKnobs {
  int64_t iterations = 200, q = 100, code = 256, width = 128, crop_padding = 4;
  double mu = 0.005, lr = 1e-3;
  bool flip = true, antithetic = false;
  std::string keep = "surrogate", gradient = "zeroth";
  void describe(Knobs& knobs);
};

struct Recovered {
  Tensor images;                         // [n, c, h, w] in [0, 1], of 256 levels
  double first_loss = 0, last_loss = 0;  // mean CE of the first and of the last tenth of the iterations
};
// `student`: logits of the adapted student about prepared inputs, for a boundary set; empty for a plain one. `net`: the API's own net, where
// knobs.gradient is "white-box". Costs (q+1) * n calls an iteration.
Recovered recover(CountedTeacher& api, const Net* net, const Tensor& targets, const InputSpec& spec, const RecoveryKnobs& knobs,
                  int64_t iterations, const std::function<Tensor(const Tensor& prepared)>& student, double lambda_adv, Seed seed);

// Each image moved by up to `padding` pixels each way, black outside, and mirrored with probability 1/2 where `flip`: differentiable. [n,c,h,w].
Tensor moved(const Tensor& images, int64_t padding, bool flip, Dice& dice);

}  // namespace retort::blackbox
