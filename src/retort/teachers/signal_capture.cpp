#include "retort/base/error.h"
#include "retort/base/interrupt.h"
#include "retort/base/progress.h"
#include "retort/teachers/signal_writer.h"

namespace retort {

void CaptureOptions::describe(Knobs& knobs) {
  knobs("precision", precision, "how logits, top-k values and features are stored", one_of({"fp32", "fp16"}));
  knobs("logits", logits, "store the logits of every class");
  knobs("labels", labels, "store the hard decision");
  knobs("topk", topk, "store so many of the largest log-probabilities, their classes and the rest of the mass; 0 for none", at_least(0));
  knobs("pack_topk", pack_topk, "store the top-k in about a third of the bytes: classes exactly, values rounded");
  knobs("features", features, "taps of the teacher to store; the logits come with them");
  knobs("batch", batch, "samples asked about at a time", at_least(1));
  knobs("block_rows", block_rows, "samples that share a checksum", at_least(1));
}

SignalHeader signal_header(const Teacher& teacher, const Dataset& data, const CaptureOptions& options) {
  if (options.topk > teacher.classes()) {
    throw ConfigError(fmt::format("topk = {}, but the teacher ({}) has {} classes", options.topk, teacher.about(), teacher.classes()),
                      "store the logits instead");
  }
  SignalHeader header;
  header.classes = teacher.classes();
  header.teacher = teacher.about();
  header.data = data.name;
  header.input = data.spec.to_json();
  const bool half = options.precision == "fp16";
  auto& columns = header.columns;
  columns.push_back(signal_columns::ids());
  if (options.logits || !options.features.empty()) columns.push_back(signal_columns::logits(header.classes, half));
  if (options.labels) columns.push_back(signal_columns::labels());
  if (options.topk > 0 && options.pack_topk) columns.push_back(signal_columns::packed_topk(options.topk, header.classes));
  if (options.topk > 0 && !options.pack_topk) {
    for (SignalColumn& column : signal_columns::topk(options.topk, half)) columns.push_back(std::move(column));
  }
  for (const std::string& tap : options.features) columns.push_back(signal_columns::feature(tap, teacher.tap_shape(tap), half));
  if (columns.size() == 1) throw ConfigError("nothing to capture: logits, labels, topk and features are all off", "switch one of them on");
  return header;
}

std::shared_ptr<const SignalStore> capture_signals(Teacher& teacher, const Dataset& data, CaptureOptions options, const std::string& path) {
  options.logits = options.logits || !options.features.empty();
  const Wanted wanted{options.logits, options.labels, options.features, options.topk};
  const SignalHeader header = signal_header(teacher, data, options);
  require_access(teacher, access_for(wanted), "this capture");
  const auto fill = [&](SignalWriter& writer) {
    teacher.serve(data);  // so that what is stored has the bits of what a live teacher would answer
    Progress progress("capture", data.size());
    for (int64_t first = 0; first < data.size(); first += options.batch) {
      if (interrupt_requested()) throw Interrupted("capture interrupted; nothing was written");
      const int64_t rows = std::min(options.batch, data.size() - first);
      const Dataset part = data.take(at::arange(first, first + rows, at::kLong));
      writer.append(part.ids, teacher.ask(part.ids, prepared_inputs(part), /*repeats=*/true, wanted));
      progress.advance_to(first + rows);
    }
    teacher.serve({});
    progress.finish();
  };
  if (!path.empty()) {
    write_signals(path, header, options.block_rows, fill);
    return SignalStore::open(path);
  }
  SignalWriter writer({}, header, options.block_rows);
  fill(writer);
  writer.seal();
  return writer.open();
}

}  // namespace retort
