// The model that an audit asks: rows of a table in, class probabilities out. Trained here as an autoencoder with a head, or anybody's teacher.
#pragma once

#include "retort/surrogates/columns.h"
#include "retort/surrogates/importance.h"
#include "retort/train/classifier.h"

namespace retort::audit {

// One column a number that the model reads, named and in the units that it had: encoded tables, pixels, points.
std::vector<Column> columns_of(const InputSpec& spec);
// Prepared inputs as rows: [n, p] float32.
Tensor rows_of(const Dataset& data);

// Throws TeacherError unless every entry is a number in [0, 1] and the rows sum to 1 (within 1e-3). [n, c].
void check_probabilities(const Tensor& probabilities, const std::string& who);

// [n, p] -> [n, classes] probabilities of a net, and of any teacher that answers about new inputs (hard labels count as certain).
Answers answers_of(const Net& net);
Answers answers_of(Teacher& teacher, const std::vector<int64_t>& shape);

// Cross-entropy of the head, and weight * mean squared error of the reconstruction where the net has one.
std::unique_ptr<Objective> autoencoder_objective(const Net& net, double weight);

// What only the owner of a net can look at, a value a column; empty lists where the net has no such part.
struct InnerProbes {
  std::vector<double> gradient;   // mean |x_j d log p_y / d x_j| of the decided class y
  std::vector<double> attention;  // mean over rows that are decided right
  std::vector<double> latent;     // sum over latents l of |weight of l in a linear probe for the classes| * mean |d z_l / d x_j|
};
InnerProbes look_inside(const Net& net, const Tensor& rows, const Tensor& labels);

}  // namespace retort::audit
