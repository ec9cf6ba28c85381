// The first half of MEKD: a generator of images like the local ones, and what the teacher says of the images that are sent.
#pragma once

#include "retort/nets/generator.h"
#include "retort/teachers/counted.h"
#include "retort/train/classifier.h"

namespace retort::blackbox {

// Images in [-1, 1], as the generator makes them, and as nets read them.
Tensor as_read(const Tensor& made, const InputSpec& spec);
Tensor as_made(const Tensor& prepared, const InputSpec& spec);

struct GeneratorKnobs {
  std::string generator;  // a file to take instead of training one
  int64_t width = 128, discriminator_width = 16;
  double w_im = 0.5, w_inverse = 0;
  bool untrained = false;
  void describe(Knobs& knobs);
};

// Asks for answers as logits; `soft`: whole answers, else decisions alone, as one-hot rows. [n, classes].
using Answers = std::function<Tensor(const Tensor& made)>;

// Trains (or reads) the generator on `local` images, which must fill a batch; resumable, as phase "generator". It is written as generator.safetensors.
// Frozen: running statistics, no gradients to its weights. `ask`: for L_IM and the inverse term; empty: every answer counts as sure.
Net local_generator(ClassifierRun& c, const GeneratorKnobs& knobs, const TrainKnobs& training, const Dataset& local, const Answers& ask,
                    double tau_g, CountedTeacher& api);

// Throws ConfigError where the codes that it starts from are not one number a class.
void check_codes(const Net& generator, int64_t classes);

}  // namespace retort::blackbox
