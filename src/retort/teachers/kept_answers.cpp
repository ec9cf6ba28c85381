#include "retort/teachers/kept_answers.h"

#include <limits>

#include "retort/base/error.h"

namespace retort {
namespace {

const std::string kLogits;

Tensor& value_of(Signals& signals, const std::string& kind) { return kind == kLogits ? signals.logits : signals.features[kind]; }

std::vector<std::string> kinds_of(bool logits, std::vector<std::string> features) {
  if (logits) features.push_back(kLogits);
  return features;
}

}  // namespace

Signals derive(Signals raw, const Wanted& wanted) {
  if (wanted.labels && !raw.labels.defined()) raw.labels = raw.logits.argmax(1);
  if (wanted.topk > 0) {
    if (wanted.topk > raw.logits.size(1)) {
      throw ConfigError(
          fmt::format("the {} largest log-probabilities were asked for; the teacher has {} classes", wanted.topk, raw.logits.size(1)),
          "ask for no more than there are classes");
    }
    const Tensor log_p = at::log_softmax(raw.logits, 1);
    std::tie(raw.topk_values, raw.topk_indices) = log_p.topk(wanted.topk, 1);
    raw.topk_tail = log_p.scatter(1, raw.topk_indices, -std::numeric_limits<double>::infinity()).logsumexp(1);
  }
  if (!wanted.logits) raw.logits = Tensor();
  return raw;
}

void KeptAnswers::serve(const Dataset& data) {
  data_ = data;
  rows_ = IdTable();
  kinds_.clear();
  bytes_ = 0;
  const Tensor ids = data.size() > 0 ? data.ids.contiguous() : at::empty({0}, at::kLong);
  for (int64_t row = 0; row < ids.numel(); ++row) {
    if (rows_.add(ids.data_ptr<int64_t>()[row]) != row)
      throw DataError(fmt::format("{}: sample ids must be unique; that of row {} came before", data.name, row));
  }
}

Signals KeptAnswers::answer(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted, const Compute& compute) {
  return answer(ids, inputs, repeats, wanted, [&](const Tensor&, const Tensor& x, bool logits, const std::vector<std::string>& features) {
    return compute(x, logits, features);
  });
}

Signals KeptAnswers::answer(const Tensor& ids, const Tensor& inputs, bool repeats, const Wanted& wanted, const ComputeById& compute) {
  const bool logits = wanted.logits || wanted.labels || wanted.topk > 0;
  if (!repeats || rows_.size() == 0) return derive(compute(ids, inputs, logits, wanted.features), wanted);

  const std::vector<std::string> names = kinds_of(logits, wanted.features);
  const Tensor rows = rows_.rows(ids);
  const auto* const numbers = rows.data_ptr<int64_t>();
  for (int64_t i = 0; i < rows.numel(); ++i) {
    const int64_t chunk = numbers[i] / kChunk;
    const auto is_done = [&](const std::string& name) {
      const std::vector<bool>& done = kinds_[name].done;
      return !done.empty() && done[static_cast<size_t>(chunk)];
    };
    const bool strange = numbers[i] < 0;  // a sample of another data set
    if (!strange && std::all_of(names.begin(), names.end(), is_done)) continue;
    if (strange || !fill(chunk, logits, wanted.features, compute)) return derive(compute(ids, inputs, logits, wanted.features), wanted);
  }
  Signals said;
  for (const std::string& name : names) {
    const Tensor& values = kinds_[name].values;
    value_of(said, name) = values.index_select(0, rows.to(values.device()));
  }
  return derive(std::move(said), wanted);
}

// Computes one chunk of the data set. False when there is no room to keep it.
bool KeptAnswers::fill(int64_t chunk, bool logits, const std::vector<std::string>& features, const ComputeById& compute) {
  const auto names = kinds_of(logits, features);
  for (const std::string& name : names) {
    const Kind& kind = kinds_[name];
    if (!kind.done.empty() && !kind.values.defined()) return false;  // found not to fit
  }
  const int64_t first = chunk * kChunk, count = std::min(kChunk, rows_.size() - first);
  const Dataset part = data_.take(at::arange(first, first + count, at::kLong));
  Signals said = compute(part.ids, prepared_inputs(part), logits, features);
  for (const std::string& name : names) {
    Kind& kind = kinds_[name];
    const Tensor& value = value_of(said, name);
    if (!make_room(kind, value)) return false;
    kind.values.narrow(0, first, count).copy_(value);
    kind.done[static_cast<size_t>(chunk)] = true;
  }
  return true;
}

bool KeptAnswers::make_room(Kind& kind, const Tensor& like) {
  if (!kind.done.empty()) return kind.values.defined();
  kind.done.assign(static_cast<size_t>((rows_.size() + kChunk - 1) / kChunk), false);
  std::vector<int64_t> shape = like.sizes().vec();
  shape[0] = rows_.size();
  const double bytes = static_cast<double>(like.numel() / like.size(0)) * static_cast<double>(rows_.size()) *
                       static_cast<double>(like.element_size());
  if (bytes > static_cast<double>(limit_bytes_ - bytes_)) return false;
  kind.values = at::empty(shape, like.options());
  bytes_ += static_cast<int64_t>(bytes);
  return true;
}

}  // namespace retort
