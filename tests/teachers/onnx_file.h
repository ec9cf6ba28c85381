// Writes small ONNX files: the few fields of its protobuf that tests need, by their numbers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "retort/base/file.h"
#include "retort/base/tensor.h"

namespace retort {

class Protobuf {
 public:
  Protobuf& number(int field, uint64_t value) {
    varint(static_cast<uint64_t>(field) << 3);
    varint(value);
    return *this;
  }
  Protobuf& bytes(int field, const std::string& value) {
    varint(static_cast<uint64_t>(field) << 3 | 2);
    varint(value.size());
    text_ += value;
    return *this;
  }
  Protobuf& message(int field, const Protobuf& value) { return bytes(field, value.text_); }
  const std::string& text() const { return text_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 128; value >>= 7) text_ += static_cast<char>(value | 128);
    text_ += static_cast<char>(value);
  }
  std::string text_;
};

struct OnnxNode {
  std::string type;
  std::vector<std::string> inputs, outputs;
  std::vector<std::pair<std::string, int64_t>> attributes;
};

// A graph from "x", whose batch has no fixed size unless its shape says so (first entry > 0), to `outputs`, with constants by name.
inline void write_onnx(const std::string& path, const std::vector<int64_t>& input, const std::vector<OnnxNode>& nodes,
                       const std::vector<std::pair<std::string, Tensor>>& constants, const std::vector<std::string>& outputs) {
  Protobuf graph;
  for (const OnnxNode& node : nodes) {
    Protobuf one;
    for (const std::string& name : node.inputs) one.bytes(1, name);
    for (const std::string& name : node.outputs) one.bytes(2, name);
    one.bytes(3, node.type + "_of_" + node.outputs.front()).bytes(4, node.type);
    for (const auto& [name, value] : node.attributes)
      one.message(5, Protobuf().bytes(1, name).number(3, static_cast<uint64_t>(value)).number(20, 2));
    graph.message(1, one);
  }
  graph.bytes(2, "graph");
  for (const auto& [name, tensor] : constants) {
    Protobuf one;
    for (const int64_t size : tensor.sizes()) one.number(1, static_cast<uint64_t>(size));
    const Tensor values = tensor.contiguous();
    one.number(2, tensor.scalar_type() == at::kLong ? 7 : 1)
        .bytes(8, name)
        .bytes(9, {static_cast<const char*>(values.data_ptr()), values.nbytes()});
    graph.message(5, one);
  }
  const auto value = [](const std::string& name, const std::vector<int64_t>& shape) {
    Protobuf dims;
    for (const int64_t size : shape)
      dims.message(1, size > 0 ? Protobuf().number(1, static_cast<uint64_t>(size)) : Protobuf().bytes(2, "batch"));
    return Protobuf().bytes(1, name).message(2, Protobuf().message(1, Protobuf().number(1, 1).message(2, dims)));
  };
  graph.message(11, value("x", input));
  for (const std::string& name : outputs) graph.message(12, value(name, {0, 3}));
  write_file(path, Protobuf().number(1, 7).message(7, graph).message(8, Protobuf().bytes(1, "").number(2, 11)).text());
}

// Flatten and a matrix [classes, features] with its bias: logits.
inline void write_linear_onnx(const std::string& path, const std::vector<int64_t>& input_shape, const Tensor& weight, const Tensor& bias,
                              const std::string& end = {}) {
  std::vector<int64_t> input = input_shape;
  input.insert(input.begin(), 0);
  std::vector<OnnxNode> nodes = {{"Flatten", {"x"}, {"flat"}, {{"axis", 1}}}, {"Gemm", {"flat", "w", "b"}, {"logits"}, {{"transB", 1}}}};
  if (!end.empty()) nodes.push_back({end, {"logits"}, {"said"}, {{"axis", 1}}});
  write_onnx(path, input, nodes, {{"w", weight}, {"b", bias}}, {end.empty() ? "logits" : "said"});
}

}  // namespace retort
