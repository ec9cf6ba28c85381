// Nets that read a sequence: an LSTM over the rows of an image, and nets that guess the next character from those before it.
#include "retort/base/error.h"
#include "retort/nets/architectures.h"
#include "retort/nets/layers.h"

namespace retort {
namespace {

// [b, steps, in] -> [b, width]: the state after the last step. Parameters are named as torch.nn.LSTM names them.
Layer lstm(NetBuilder& b, const std::string& name, int64_t in, int64_t width) {
  const Init init = kaiming_uniform(width);
  const std::vector<Slot> slots = {b.param(name + ".weight_ih_l0", {4 * width, in}, init),
                                   b.param(name + ".weight_hh_l0", {4 * width, width}, init),
                                   b.param(name + ".bias_ih_l0", {4 * width}, init), b.param(name + ".bias_hh_l0", {4 * width}, init)};
  return [slots, width](const Tensor& x, const Frame& frame) {
    const Tensor start = at::zeros({1, x.size(0), width}, x.options());
    Tensors params;
    for (const Slot slot : slots) params.push_back(frame.params[slot]);
    return std::get<1>(at::lstm(x, {start, start}, params, /*has_biases=*/true, /*num_layers=*/1, /*dropout=*/0, frame.training,
                                /*bidirectional=*/false, /*batch_first=*/true))[0];
  };
}

std::optional<Net> make_lstm(const NetRequest& request) {
  NameReader name(request.name);
  int64_t width = 0;
  if (!name.text("lstm-") || !name.whole(width) || !name.end()) return {};
  const Map map = image_map(request);
  NetBuilder b(request.seed);
  const Layer cell = lstm(b, "lstm", map.channels * map.width, width);
  b.block("embedding", [cell](const Tensor& x, const Frame& frame) { return cell(x.transpose(1, 2).flatten(2).contiguous(), frame); });
  b.block("logits", linear(b, "fc", width, request.outputs));
  return b.finish(request.spec(), request.input, request.outputs);
}

// chars-EMBED-HIDDEN…: as many symbols as outputs.
std::optional<Net> make_chars(const NetRequest& request) {
  NameReader name(request.name);
  if (!name.text("chars")) return {};
  std::vector<int64_t> widths;
  bool recurrent = false;
  while (!name.end()) {
    int64_t width = 0;
    if (!name.text("-")) return {};
    if (name.text("lstm")) recurrent = true;
    if (!name.whole(width) || (recurrent && !name.end())) return {};
    widths.push_back(width);
  }
  if (widths.size() < 2) return {};
  if (request.input.size() != 1)
    throw ConfigError(fmt::format("net '{}' reads characters; these inputs are [{}]", request.name, fmt::join(request.input, ",")),
                      "its data source is chars:TEXT");
  const int64_t context = request.input[0], symbols = request.outputs, embed = widths[0];
  NetBuilder b(request.seed);
  const Slot table = b.param("embed.weight", {symbols, embed}, {Init::Kind::normal, 0.5});
  b.block("embed",
          [=](const Tensor& x, const Frame& frame) { return at::embedding(frame.params[table], x.to(at::kLong).clamp(0, symbols - 1)); });
  b.tap("embedding");
  const auto noted = [](const Layer& layer) {
    return [layer](const Tensor& x, const Frame& frame) { return frame.tap("embedding", layer(x, frame)); };
  };
  int64_t width = embed * context;
  for (size_t i = 1; i < widths.size(); ++i) {
    const std::string fc = fmt::format("fc{}", i);
    const Layer layer = recurrent ? lstm(b, "lstm", embed, widths[i]) : chain({flatten(), linear(b, fc, width, widths[i]), relu()});
    b.block(fmt::format("hidden{}", i), i + 1 == widths.size() ? Layer(noted(layer)) : layer);
    width = widths[i];
  }
  b.block("logits", linear(b, "fc", width, symbols));
  return b.finish(request.spec(), request.input, request.outputs);
}

}  // namespace

Family lstm_family() { return {"lstm", "lstm-WIDTH", "an LSTM that reads an image row by row, as in lstm-64", make_lstm}; }
Family chars_family() {
  return {"chars", "chars-EMBED-WIDTH… or chars-EMBED-lstmWIDTH", "the next character from those before it, as in chars-16-256",
          make_chars};
}

}  // namespace retort
