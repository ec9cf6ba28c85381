// Golden values: inputs and outputs of the papers' reference implementations, held against the project's own functions.
//
// A case is a JSON file: "method", "params" (numbers, words, flags, lists), "inputs" and "outputs" (tensors as {"shape", "dtype": f32 | i64 | bool,
// "data"}), "tolerance", "note". An output grad_<input> is the gradient of the output "loss" with respect to that input.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "retort/base/tensor.h"

namespace retort {

struct GoldenCase {
  std::string path, method;
  nlohmann::json params;
  TensorMap inputs, outputs;
  double tolerance = 0;

  // Each throws DataError when the case has no such entry, or one of another type.
  const Tensor& operator[](const std::string& input) const;
  double number(const std::string& param) const;
  int64_t whole(const std::string& param) const;
  bool flag(const std::string& param) const;
  std::string word(const std::string& param) const;
  std::vector<double> numbers(const std::string& param) const;
};
GoldenCase parse_golden(const std::string& json, const std::string& path);  // throws DataError
GoldenCase load_golden(const std::string& path);                            // throws DataError

// Computes the outputs of a case. Inputs whose gradients are expected ask for one; gradients that the function does not return under their own
// name are taken of the output named `gradient_of`.
struct GoldenBinding {
  std::function<TensorMap(const GoldenCase&)> outputs;
  std::string gradient_of = "loss";
};
const std::map<std::string, GoldenBinding>& golden_bindings();

struct GoldenVerdict {
  std::string path, method;
  enum class Outcome { passed, failed, unbound } outcome = Outcome::unbound;
  double error = 0;    // the largest |a - b| / (1 + |b|) over all outputs; passed when at most the tolerance
  std::string detail;  // why it failed
};
// A null binding: unbound. A function that throws has failed.
GoldenVerdict judge_golden(const GoldenCase& given, const GoldenBinding* binding);

// Every .json of the folder whose method begins with `filter`, in name order. Throws DataError (no folder, no case, a damaged file) and ConfigError
// (no case has such a method).
std::vector<GoldenVerdict> judge_golden_folder(const std::string& folder, const std::string& filter);

}  // namespace retort
