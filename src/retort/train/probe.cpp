#include "retort/train/probe.h"

#include "retort/base/error.h"
#include "retort/losses/features.h"

namespace retort {
namespace {

// Each column to mean 0 and deviation 1 on the training rows, as part of how rows are prepared.
void standardise(Dataset& train, Dataset& test) {
  const auto [variance, mean] = at::var_mean(train.inputs.to(at::kDouble), at::IntArrayRef{0}, /*unbiased=*/false);
  const Tensor deviation = at::where(variance > 1e-16, variance.sqrt(), at::ones_like(variance)).contiguous(), centre = mean.contiguous();
  const auto list = [](const Tensor& x) { return std::vector<double>(x.data_ptr<double>(), x.data_ptr<double>() + x.numel()); };
  train.spec.mean = test.spec.mean = list(centre);
  train.spec.deviation = test.spec.deviation = list(deviation);
}

}  // namespace

void ProbeKnobs::describe(Knobs& knobs) {
  knobs("probe_epochs", probe_epochs, "passes of the linear probe over the training part", at_least(1));
  knobs("probe_batch", probe_batch, "samples a step of the linear probe", at_least(1));
  knobs("probe_lr", probe_lr, "learning rate of the linear probe (AdamW)", above(0));
  knobs("neighbours", neighbours, "neighbours that vote in the kNN probe", at_least(1));
}

Dataset feature_set(const Net& net, const std::string& tap, const Dataset& data, at::Device device) {
  const at::NoGradGuard no_grad;
  Net ready = net.frozen();
  ready.to(device);
  const Tensor inputs = prepared_inputs(data);
  Taps taps;
  taps.wanted = {tap};
  Tensors parts;
  for (int64_t first = 0; first < data.size(); first += 500) {
    ready.forward(inputs.slice(0, first, std::min(first + 500, data.size())).to(device), &taps);
    parts.push_back(losses::pooled(taps.found.at(tap)).flatten(1).cpu());
  }
  Dataset features = data;
  features.inputs = at::cat(parts);
  features.spec = {};
  features.spec.shape = {features.inputs.size(1)};
  features.spec.classes = data.spec.classes;
  return features;
}

Dataset side_by_side(const std::vector<Dataset>& sets) {
  Dataset all = sets.front();
  Tensors columns;
  for (const Dataset& set : sets) columns.push_back(set.inputs);
  all.inputs = at::cat(columns, 1);
  all.spec.shape = {all.inputs.size(1)};
  return all;
}

Probed probe(Run& run, const std::string& phase, const Dataset& train_features, const Dataset& test_features, const ProbeKnobs& knobs,
             Seed seed) {
  Dataset rows = train_features, test = test_features;
  if ((rows.labels >= 0).sum().item<int64_t>() == 0)
    throw DataError(phase + ": no training row has a label, and a probe learns from labels", "keep some labels, or leave the probe out");
  standardise(rows, test);
  Net linear = make_net("linear", rows.spec.shape, rows.classes(), seed.stream("net"));
  const auto learns_labels = label_objective();
  TrainJob job;
  job.phase = phase;
  job.student = &linear;
  job.objective = learns_labels.get();
  job.train = &rows;
  job.knobs.epochs = knobs.probe_epochs;
  job.knobs.batch = knobs.probe_batch;
  job.knobs.eval_every = 0;
  job.knobs.optimiser.optimiser = "adamw";
  job.knobs.optimiser.lr = knobs.probe_lr;
  job.seed = seed;
  train(run, job);
  linear.to(at::kCPU);
  const Tensor deviation = at::tensor(rows.spec.deviation, at::kFloat), mean = at::tensor(rows.spec.mean, at::kFloat);
  const Tensor weight = linear.params()[0].detach() / deviation, bias = linear.params()[1].detach() - weight.mv(mean);
  const Tensor votes = knn_votes(prepared_inputs(rows), rows.labels, prepared_inputs(test), rows.classes(), knobs.neighbours);
  return {{weight, bias}, share_right(at::linear(test.inputs, weight, bias), test.labels), share_right(votes, test.labels)};
}

}  // namespace retort
