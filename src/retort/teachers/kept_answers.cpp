#include "retort/teachers/kept_answers.h"

#include "retort/base/error.h"

namespace retort {
namespace {

const std::string kLogits;

Tensor& value_of(Signals& signals, const std::string& kind) { return kind == kLogits ? signals.logits : signals.features[kind]; }

Signals compute_in_chunks(const Tensor& inputs, bool logits, const std::vector<std::string>& features, const KeptAnswers::Compute& compute) {
  constexpr int64_t chunk = KeptAnswers::kChunk;
  const int64_t rows = inputs.size(0);
  if (rows == chunk) return compute(inputs, logits, features);
  std::map<std::string, std::vector<Tensor>> parts;
  for (int64_t first = 0; first < rows; first += chunk) {
    const int64_t count = std::min(chunk, rows - first);
    Tensor part = inputs.narrow(0, first, count);
    if (count < chunk) {
      std::vector<int64_t> padding = part.sizes().vec();
      padding[0] = chunk - count;
      part = at::cat({part, part.narrow(0, 0, 1).expand(padding)});
    }
    Signals said = compute(part, logits, features);
    if (logits) parts[kLogits].push_back(said.logits.narrow(0, 0, count));
    for (const std::string& name : features) parts[name].push_back(said.features.at(name).narrow(0, 0, count));
  }
  Signals all;
  for (auto& [kind, tensors] : parts) value_of(all, kind) = at::cat(tensors);
  return all;
}

}  // namespace

Signals derive(Signals raw, const Wanted& wanted) {
  if (wanted.labels && !raw.labels.defined()) raw.labels = raw.logits.argmax(1);
  if (wanted.topk > 0) {
    if (wanted.topk > raw.logits.size(1)) {
      throw ConfigError(fmt::format("the {} largest log-probabilities were asked for; the teacher has {} classes", wanted.topk, raw.logits.size(1)),
                        "ask for no more than there are classes");
    }
    const Tensor log_p = at::log_softmax(raw.logits, 1);
    std::tie(raw.topk_values, raw.topk_indices) = log_p.topk(wanted.topk, 1);
    raw.topk_tail = log_p.scatter(1, raw.topk_indices, -std::numeric_limits<double>::infinity()).logsumexp(1);
  }
  if (!wanted.logits) raw.logits = Tensor();
  return raw;
}

Signals KeptAnswers::answer(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted, const Compute& compute) {
  const bool logits = wanted.logits || wanted.labels || wanted.topk > 0;
  if (!repeats || inputs.size(0) == 0) return derive(compute(inputs, logits, wanted.features), wanted);

  std::vector<std::string> names = wanted.features;
  if (logits) names.push_back(kLogits);
  std::vector<Tensor> rows;  // by kind: where each id's answer lies, -1 where it is not kept
  Tensor missing;            // [b] bool
  for (const std::string& name : names) {
    rows.push_back(kinds_[name].ids.rows(ids));
    const Tensor unknown = rows.back() < 0;
    missing = missing.defined() ? missing.logical_or(unknown) : unknown;
  }
  if (names.empty()) return {};

  Signals said;
  const Tensor asked = missing.nonzero().squeeze(1);
  if (asked.numel() == 0) {
    for (size_t i = 0; i < names.size(); ++i) {
      const Tensor& values = kinds_[names[i]].values;
      value_of(said, names[i]) = values.index_select(0, rows[i].to(values.device()));
    }
    return derive(std::move(said), wanted);
  }

  const bool all = asked.numel() == ids.numel();
  Signals fresh = compute_in_chunks(all ? inputs : inputs.index_select(0, asked.to(inputs.device())), logits, wanted.features, compute);
  const Tensor asked_ids = all ? ids : ids.index_select(0, asked.to(ids.device()));
  const Tensor known = missing.logical_not().nonzero().squeeze(1);
  for (size_t i = 0; i < names.size(); ++i) {
    const Tensor& value = value_of(fresh, names[i]);
    Kind& kind = kinds_[names[i]];
    if (all) {
      value_of(said, names[i]) = value;
    } else {
      std::vector<int64_t> shape = value.sizes().vec();
      shape[0] = ids.numel();
      const Tensor kept = kind.values.index_select(0, rows[i].index_select(0, known).to(value.device()));
      value_of(said, names[i]) = at::empty(shape, value.options()).index_copy_(0, known.to(value.device()), kept).index_copy_(0, asked.to(value.device()), value);
    }
    keep(kind, asked_ids, value);
  }
  return derive(std::move(said), wanted);
}

void KeptAnswers::keep(Kind& kind, const Tensor& ids, const Tensor& values) {
  const Tensor list = ids.to(at::kCPU, at::kLong).contiguous();
  const auto* const numbers = list.data_ptr<int64_t>();
  if (!grow(kind, values, kind.ids.size() + list.numel())) return;
  std::vector<int64_t> from, to;
  for (int64_t i = 0; i < list.numel(); ++i) {
    if (kind.ids.find(numbers[i]) >= 0) continue;
    from.push_back(i);
    to.push_back(kind.ids.add(numbers[i]));
  }
  if (from.empty()) return;
  // New rows are numbered one after another, so they fill one stretch.
  const Tensor stretch = kind.values.narrow(0, to.front(), static_cast<int64_t>(to.size()));
  stretch.copy_(static_cast<int64_t>(from.size()) == list.numel() ? values : values.index_select(0, at::tensor(from, at::kLong).to(values.device())));
}

bool KeptAnswers::grow(Kind& kind, const Tensor& like, int64_t rows) {
  const int64_t had = kind.values.defined() ? kind.values.size(0) : 0;
  if (rows <= had) return true;
  const int64_t row_bytes = std::max<int64_t>(1, like.numel() / like.size(0) * static_cast<int64_t>(like.element_size()));
  const int64_t room = had + (limit_bytes_ - bytes_) / row_bytes;
  if (rows > room) return false;
  std::vector<int64_t> shape = like.sizes().vec();
  shape[0] = std::min(room, std::max<int64_t>({rows, 2 * had, 1024}));
  const Tensor larger = at::empty(shape, like.options());
  if (had > 0) larger.narrow(0, 0, kind.ids.size()).copy_(kind.values.narrow(0, 0, kind.ids.size()));
  kind.values = larger;
  bytes_ += (shape[0] - had) * row_bytes;
  return true;
}

}  // namespace retort
