#include <cstring>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/interrupt.h"
#include "retort/base/progress.h"
#include "retort/teachers/signal_store.h"

namespace retort {

void CaptureOptions::describe(Knobs& knobs) {
  knobs("precision", precision, "how logits, top-k values and features are stored", one_of({"fp32", "fp16"}));
  knobs("logits", logits, "store the logits of every class");
  knobs("labels", labels, "store the hard decision");
  knobs("topk", topk, "store so many of the largest log-probabilities, their classes and the rest of the mass; 0 for none", at_least(0));
  knobs("features", features, "taps of the teacher to store; the logits come with them");
  knobs("batch", batch, "samples asked about at a time", at_least(1));
  knobs("block_rows", block_rows, "samples that share a checksum", at_least(1));
}

namespace {

SignalLayout layout_for(const Teacher& teacher, const Dataset& data, const CaptureOptions& options) {
  SignalLayout layout;
  layout.classes = teacher.classes();
  layout.count = data.size();
  layout.block_rows = options.block_rows;
  layout.teacher = teacher.about();
  layout.data = data.name;
  layout.input = data.spec.to_json();
  const at::ScalarType real = options.precision == "fp16" ? at::kHalf : at::kFloat;
  layout.columns.push_back({"ids", at::kLong, {}});
  if (options.logits) layout.columns.push_back({"logits", real, {layout.classes}});
  if (options.labels) layout.columns.push_back({"labels", at::kInt, {}});
  if (options.topk > 0) {
    layout.columns.push_back({"topk_values", real, {options.topk}});
    layout.columns.push_back({"topk_indices", at::kInt, {options.topk}});
    layout.columns.push_back({"topk_tail", at::kFloat, {}});
  }
  for (const std::string& tap : options.features) layout.columns.push_back({"feature:" + tap, real, teacher.tap_shape(tap)});
  return layout;
}

const Tensor& signal_of(const Signals& said, const Tensor& ids, const std::string& column) {
  if (column == "ids") return ids;
  if (column == "logits") return said.logits;
  if (column == "labels") return said.labels;
  if (column == "topk_values") return said.topk_values;
  if (column == "topk_indices") return said.topk_indices;
  if (column == "topk_tail") return said.topk_tail;
  return said.features.at(column.substr(8));
}

// Refuses what later use could not mend.
void check_values(const Tensor& values, const SignalColumn& column, const Tensor& ids, const std::string& teacher) {
  if (!at::isFloatingType(column.type) || column.name == "topk_tail") return;  // a tail of nothing is log 0
  // A log-probability may be minus infinity; nothing else may.
  const Tensor wrong = column.name == "topk_values" ? values.isnan() : values.isfinite().logical_not();
  const auto first_id = [&](const Tensor& where) { return ids[where.flatten(1).any(1).nonzero()[0][0].item<int64_t>()].item<int64_t>(); };
  if (wrong.any().item<bool>()) {
    throw TeacherError(fmt::format("{}: its {} for sample id {} are not finite", teacher, column.name, first_id(wrong)), "look at this sample and at the teacher's weights");
  }
  if (column.type != at::kHalf || column.name == "topk_values") return;
  const Tensor large = values.abs() > 65504;
  if (large.any().item<bool>()) {
    throw ConfigError(fmt::format("{} of sample id {} are beyond 65504 and do not fit fp16", column.name, first_id(large)), "set precision = \"fp32\"");
  }
}

void write_checksums(const MappedFile& file, const SignalLayout& layout) {
  std::vector<uint32_t> sums;
  for (size_t index = 0; index < layout.columns.size(); ++index) {
    const auto row_bytes = static_cast<size_t>(layout.columns[index].row_bytes());
    for (int64_t first = 0; first < layout.count; first += layout.block_rows) {
      const auto rows = static_cast<size_t>(std::min(layout.block_rows, layout.count - first));
      sums.push_back(crc32_of(file.bytes().substr(layout.starts[index] + static_cast<size_t>(first) * row_bytes, rows * row_bytes)));
    }
  }
  sums.push_back(crc32_of({reinterpret_cast<const char*>(sums.data()), sums.size() * sizeof(uint32_t)}));
  std::memcpy(file.data() + layout.checksums, sums.data(), sums.size() * sizeof(uint32_t));
}

}  // namespace

std::shared_ptr<const SignalStore> capture_signals(Teacher& teacher, const Dataset& data, CaptureOptions options, const std::string& path) {
  options.logits = options.logits || !options.features.empty();
  if (options.topk > teacher.classes()) {
    throw ConfigError(fmt::format("topk = {}, but the teacher ({}) has {} classes", options.topk, teacher.about(), teacher.classes()), "store the logits instead");
  }
  const Wanted wanted{options.logits, options.labels, options.features, options.topk};
  require_access(teacher, access_for(wanted), "this capture");
  SignalLayout layout = layout_for(teacher, data, options);
  if (layout.columns.size() == 1) throw ConfigError("nothing to capture: logits, labels, topk and features are all off", "switch one of them on");

  const std::string header = layout.header();
  layout.place(header.size());
  MappedFile file = MappedFile::create(path, layout.total);
  std::memcpy(file.data(), header.data(), header.size());
  teacher.serve(data);  // so that what is stored has the bits of what a live teacher would answer
  Progress progress("capture", data.size());
  for (int64_t first = 0; first < data.size(); first += options.batch) {
    if (interrupt_requested()) throw Interrupted("capture interrupted; nothing was written");
    const int64_t rows = std::min(options.batch, data.size() - first);
    const Dataset part = data.take(at::arange(first, first + rows, at::kLong));
    const Signals said = teacher.ask(part.ids, prepared_inputs(part), /*repeats=*/true, wanted);
    for (size_t index = 0; index < layout.columns.size(); ++index) {
      const SignalColumn& column = layout.columns[index];
      const Tensor& values = signal_of(said, part.ids, column.name);
      check_values(values, column, part.ids, layout.teacher);
      std::vector<int64_t> shape = column.shape;
      shape.insert(shape.begin(), rows);
      char* const start = file.data() + layout.starts[index] + first * column.row_bytes();
      at::from_blob(start, shape, at::TensorOptions(column.type)).copy_(values);
    }
    progress.advance_to(first + rows);
  }
  teacher.serve({});
  write_checksums(file, layout);
  file.commit();
  progress.finish();
  return std::make_shared<const SignalStore>(std::move(file), path.empty() ? "signals in memory" : path);
}

}  // namespace retort
