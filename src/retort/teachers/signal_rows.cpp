#include "retort/teachers/signal_rows.h"

#include "retort/base/error.h"
#include "retort/teachers/signal_format.h"
#include "retort/teachers/topk_codec.h"

namespace retort {
namespace {

const Tensor& signal_of(const Signals& said, const Tensor& ids, const std::string& column) {
  if (column == "ids") return ids;
  if (column == "logits") return said.logits;
  if (column == "labels") return said.labels;
  if (column == "topk_values" || column == "topk_packed") return said.topk_values;
  if (column == "topk_indices") return said.topk_indices;
  if (column == "topk_tail") return said.topk_tail;
  const auto found = said.features.find(column == "embedding" ? column : column.substr(8));
  if (found == said.features.end()) throw std::invalid_argument("SignalWriter: no " + column);
  return found->second;
}

// Refuses what later use could not mend.
void check_values(const Tensor& values, const SignalColumn& column, const Tensor& ids, const std::string& teacher) {
  const bool log_probabilities = column.name == "topk_values" || column.name == "topk_packed" || column.name == "topk_tail";
  if (!log_probabilities && !at::isFloatingType(column.type)) return;
  // A log-probability may be minus infinity; nothing else may.
  const Tensor wrong = log_probabilities ? values.isnan() : values.isfinite().logical_not();
  const auto first_id = [&](const Tensor& where) { return ids[where.flatten(1).any(1).nonzero()[0][0].item<int64_t>()].item<int64_t>(); };
  const auto flat = [](const Tensor& where) { return where.dim() == 1 ? where.unsqueeze(1) : where; };
  if (wrong.any().item<bool>()) {
    throw TeacherError(fmt::format("{}: its {} for sample id {} are not finite", teacher, column.name, first_id(flat(wrong))),
                       "look at this sample and at the teacher's weights");
  }
  if (column.type != at::kHalf || log_probabilities) return;
  const Tensor large = values.abs() > 65504;
  if (large.any().item<bool>()) {
    throw ConfigError(fmt::format("{} of sample id {} are beyond 65504 and do not fit fp16", column.name, first_id(flat(large))),
                      "set precision = \"fp32\"");
  }
}

void check_text(const TextRow& row, int64_t id, const std::string& teacher) {
  for (const Completion& sample : row) {
    for (const TokenLogprob& token : sample.tokens) {
      bool wrong = std::isnan(token.logprob);
      for (const auto& [piece, value] : token.top) wrong = wrong || std::isnan(value);
      if (wrong)
        throw TeacherError(fmt::format("{}: a token's log-probability for sample id {} is not a number", teacher, id),
                           "look at this sample and at the teacher");
    }
  }
}

std::string packed_rows(const Signals& said, const SignalColumn& column, int64_t classes) {
  const Tensor values = said.topk_values.to(at::kCPU, at::kFloat).contiguous(),
               indices = said.topk_indices.to(at::kCPU, at::kInt).contiguous();
  const Tensor tails = said.topk_tail.to(at::kCPU, at::kFloat).contiguous();
  std::string bytes;
  for (int64_t row = 0; row < values.size(0); ++row) {
    TopkRow one;
    one.values.assign(values.data_ptr<float>() + row * column.k, values.data_ptr<float>() + (row + 1) * column.k);
    one.classes.assign(indices.data_ptr<int32_t>() + row * column.k, indices.data_ptr<int32_t>() + (row + 1) * column.k);
    one.tail = tails.data_ptr<float>()[row];
    bytes += pack_topk(one, classes, column.shape[0]);
  }
  return bytes;
}

void expect_shape(const Tensor& values, std::vector<int64_t> shape, int64_t rows, const std::string& column) {
  shape.insert(shape.begin(), rows);
  if (values.defined() && values.sizes() == at::IntArrayRef(shape)) return;
  throw std::invalid_argument(fmt::format("SignalWriter: {} must have the shape [{}]", column, fmt::join(shape, ", ")));
}

}  // namespace

void SignalRows::add(const Tensor& ids, const Signals& said, const std::vector<TextRow>& texts) {
  const Tensor list = ids.to(at::kCPU, at::kLong).contiguous();
  const int64_t rows = list.numel();
  std::vector<std::string> parts(columns_.size());
  std::vector<std::vector<size_t>> ends(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    const SignalColumn& column = columns_[i];
    if (column.varies()) {
      if (texts.size() != static_cast<size_t>(rows)) throw std::invalid_argument("SignalWriter: a text must come with every id");
      for (size_t row = 0; row < texts.size(); ++row) {
        check_text(texts[row], list.data_ptr<int64_t>()[row], teacher_);
        parts[i] += signal_format::pack_text(texts[row]);
        ends[i].push_back(bytes_[i].size() + parts[i].size());
      }
      continue;
    }
    const Tensor& values = signal_of(said, list, column.name);
    const bool packed = column.name == "topk_packed";
    expect_shape(values, packed ? std::vector<int64_t>{column.k} : column.shape, rows, column.name);
    if (packed) {
      expect_shape(said.topk_indices, {column.k}, rows, "topk_indices");
      expect_shape(said.topk_tail, {}, rows, "topk_tail");
      check_values(said.topk_tail, column, list, teacher_);
    }
    check_values(values, column, list, teacher_);
    if (packed) {
      parts[i] = packed_rows(said, column, classes_);
    } else {
      const Tensor stored = values.to(at::kCPU, column.type).contiguous();
      parts[i].assign(static_cast<const char*>(stored.data_ptr()), stored.nbytes());
    }
  }
  for (size_t i = 0; i < columns_.size(); ++i) {
    bytes_[i] += parts[i];
    ends_[i].insert(ends_[i].end(), ends[i].begin(), ends[i].end());
  }
  ids_.insert(ids_.end(), list.data_ptr<int64_t>(), list.data_ptr<int64_t>() + rows);
}

void SignalRows::add(const SignalStore& from, int64_t id) {
  const Tensor one = at::full({1}, id, at::kLong);
  for (size_t i = 0; i < columns_.size(); ++i) {
    bytes_[i] += from.row_bytes(i, from.places(i, one).front());
    if (columns_[i].varies()) ends_[i].push_back(bytes_[i].size());
  }
  ids_.push_back(id);
}

std::string SignalRows::other_answer(const SignalStore& a, const SignalStore& b, int64_t id) {
  const Tensor one = at::full({1}, id, at::kLong);
  for (size_t i = 0; i < a.header().columns.size(); ++i) {
    if (a.row_bytes(i, a.places(i, one).front()) != b.row_bytes(i, b.places(i, one).front())) return a.header().columns[i].name;
  }
  return {};
}

std::vector<std::string> SignalRows::block(int64_t rows) const {
  std::vector<std::string> columns;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (!columns_[i].varies()) {
      columns.push_back(bytes_[i].substr(0, static_cast<size_t>(rows * columns_[i].row_bytes())));
      continue;
    }
    std::string offsets(8, '\0');
    for (int64_t row = 0; row < rows; ++row) {
      const uint64_t end = ends_[i][static_cast<size_t>(row)];
      offsets.append(reinterpret_cast<const char*>(&end), sizeof end);
    }
    columns.push_back(offsets + bytes_[i].substr(0, rows > 0 ? ends_[i][static_cast<size_t>(rows) - 1] : 0));
  }
  return columns;
}

void SignalRows::drop(int64_t rows) {
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (!columns_[i].varies()) {
      bytes_[i].erase(0, static_cast<size_t>(rows * columns_[i].row_bytes()));
      continue;
    }
    const size_t gone = rows > 0 ? ends_[i][static_cast<size_t>(rows) - 1] : 0;
    bytes_[i].erase(0, gone);
    ends_[i].erase(ends_[i].begin(), ends_[i].begin() + rows);
    for (size_t& end : ends_[i]) end -= gone;
  }
  ids_.erase(ids_.begin(), ids_.begin() + rows);
}

}  // namespace retort
