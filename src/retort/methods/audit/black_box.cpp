#include "retort/methods/audit/black_box.h"

#include "retort/base/error.h"
#include "retort/stats/probes.h"

namespace retort::audit {
namespace {

std::vector<Column> table_columns(const nlohmann::json& table) {
  std::vector<Column> columns;
  int64_t group = 0;
  for (const auto& column : table.at("columns")) {
    const std::string name = column.at("name");
    const bool gaps = column.at("missing");
    if (column.at("type") == "number") {
      Column number;
      number.name = name;
      number.shift = column.at("shift");
      number.scale = column.at("scale");
      columns.push_back(number);
    } else {
      for (const std::string value : column.at("values"))
        columns.push_back(
            {name + "=" + value, true, 0, 1, fmt::format("{} is {}", name, value), fmt::format("{} is not {}", name, value), group});
    }
    if (gaps)
      columns.push_back(
          {name + " missing", true, 0, 1, name + " is missing", name + " is known", column.at("type") == "number" ? -1 : group});
    ++group;
  }
  return columns;
}

std::vector<double> doubles(const Tensor& values) {
  const Tensor list = values.to(at::kDouble).contiguous();
  return {list.data_ptr<double>(), list.data_ptr<double>() + list.numel()};
}

bool has_tap(const Net& net, const std::string& name) {
  const auto names = net.tap_names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<int64_t> batch_shape(const Tensor& rows, const std::vector<int64_t>& shape) {
  std::vector<int64_t> full{rows.size(0)};
  full.insert(full.end(), shape.begin(), shape.end());
  return full;
}

class AutoencoderObjective : public Objective {
 public:
  AutoencoderObjective(bool reconstructs, double weight) : reconstructs_(reconstructs), weight_(weight) {}
  std::vector<std::string> student_taps() const override {
    return reconstructs_ ? std::vector<std::string>{"reconstruction"} : std::vector<std::string>{};
  }
  Loss loss(const Step& step) override {
    Loss loss;
    loss.add("ce", label_loss(step));
    if (reconstructs_) loss.add("reconstruction", at::mse_loss(step.taps.at("reconstruction"), step.batch.inputs.flatten(1)), weight_);
    return loss;
  }

 private:
  bool reconstructs_;
  double weight_;
};

// Mean over rows of |d output / d x| times |x| or 1.
Tensor mean_slope(const Tensor& output, const Tensor& x, bool times_input, bool keep) {
  const Tensor slope = torch::autograd::grad({output.sum()}, {x}, {}, keep)[0].flatten(1);
  return (times_input ? slope * x.detach().flatten(1) : slope).abs().mean(0);
}

}  // namespace

std::vector<Column> columns_of(const InputSpec& spec) {
  if (!spec.table.is_null()) return table_columns(spec.table);
  std::vector<Column> columns;
  const int64_t p = std::accumulate(spec.shape.begin(), spec.shape.end(), int64_t{1}, std::multiplies<>());
  const int64_t channels = spec.images() ? spec.shape[spec.shape.size() - 3] : p, area = p / channels, width = spec.shape.back();
  for (int64_t j = 0; j < p; ++j) {
    Column column;
    const auto channel = static_cast<size_t>(j / area % channels);
    column.name = !spec.images() ? fmt::format("x{}", j + 1)
                  : channels > 1 ? fmt::format("channel {} row {} column {}", channel + 1, j % area / width + 1, j % width + 1)
                                 : fmt::format("row {} column {}", j % area / width + 1, j % width + 1);
    if (channel < spec.mean.size()) column.shift = spec.mean[channel], column.scale = spec.deviation[channel];
    columns.push_back(column);
  }
  return columns;
}

Tensor rows_of(const Dataset& data) { return prepared_inputs(data).flatten(1).contiguous(); }

void check_probabilities(const Tensor& probabilities, const std::string& who) {
  const double low = probabilities.min().item<double>(), high = probabilities.max().item<double>();
  if (!probabilities.isfinite().all().item<bool>() || low < -1e-6 || high > 1 + 1e-6) {
    throw TeacherError(fmt::format("{}: expected probabilities in [0, 1], found {:.4g} to {:.4g}", who, low, high),
                       "does the model answer with logits or scores?");
  }
  if ((probabilities.sum(1) - 1).abs().max().item<double>() > 1e-3)
    throw TeacherError(who + ": the probabilities of a row do not sum to 1");
}

Answers answers_of(const Net& net) {
  const auto frozen = std::make_shared<Net>(net.frozen());
  return [frozen](const Tensor& rows) {
    at::NoGradGuard none;
    return predict_logits(*frozen, rows.view(batch_shape(rows, frozen->input_shape())), 1000).softmax(1);
  };
}

Answers answers_of(Teacher& teacher, const std::vector<int64_t>& shape) {
  return [&teacher, shape](const Tensor& rows) {
    Wanted wanted;
    wanted.logits = teacher.access() >= Access::logits;
    wanted.labels = !wanted.logits;
    Tensor all;
    std::vector<Tensor> parts;
    for (int64_t first = 0; first < rows.size(0); first += 500) {
      const Tensor some = rows.slice(0, first, std::min(first + 500, rows.size(0))).contiguous();
      const Signals said = teacher.ask(at::arange(first, first + some.size(0), at::kLong), some.view(batch_shape(some, shape)),
                                       /*repeats=*/false, wanted);
      parts.push_back(wanted.logits ? said.logits.cpu().softmax(1) : at::one_hot(said.labels.cpu(), teacher.classes()).to(at::kFloat));
    }
    all = at::cat(parts);
    check_probabilities(all, "the teacher (" + teacher.about() + ")");
    return all;
  };
}

std::unique_ptr<Objective> autoencoder_objective(const Net& net, double weight) {
  return std::make_unique<AutoencoderObjective>(has_tap(net, "reconstruction"), weight);
}

InnerProbes look_inside(const Net& net, const Tensor& rows, const Tensor& labels) {
  Net frozen = net.frozen();
  InnerProbes found;
  torch::autograd::AutoGradMode on(true);
  const Tensor x = rows.view(batch_shape(rows, net.input_shape())).clone().requires_grad_(true);
  Taps taps;
  const bool attends = has_tap(net, "attention"), codes = has_tap(net, "latent");
  if (attends) taps.wanted.push_back("attention");
  if (codes) taps.wanted.push_back("latent");
  const Tensor logits = frozen.forward(x, &taps), decided = logits.detach().argmax(1, true);
  found.gradient = doubles(mean_slope(logits.log_softmax(1).gather(1, decided), x, /*times_input=*/true, /*keep=*/true));
  if (attends) {
    const Tensor right = at::nonzero(decided.squeeze(1) == labels).squeeze(1);
    const Tensor looked = taps.found.at("attention").detach();
    found.attention = doubles((right.numel() > 0 ? looked.index_select(0, right) : looked).mean(0));
  }
  if (codes) {
    const Tensor z = taps.found.at("latent");
    const LinearReadout probe = logistic_regression(z.detach(), labels, net.outputs(), 1e-2);
    const Tensor weight = probe.weight.to(at::kFloat).abs().mean(0);
    Tensor sum = at::zeros({rows.size(1)});
    for (int64_t l = 0; l < z.size(1); ++l) sum += weight[l] * mean_slope(z.select(1, l), x, /*times_input=*/false, /*keep=*/true);
    found.latent = doubles(sum);
  }
  return found;
}

}  // namespace retort::audit
