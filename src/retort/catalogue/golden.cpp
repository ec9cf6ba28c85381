#include "retort/catalogue/golden.h"

#include <filesystem>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/catalogue/failure.h"

namespace retort {
namespace {
using nlohmann::json;

const json& entry(const json& object, const std::string& key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end())
    throw DataError(fmt::format("{}: \"{}\" is missing", where, key), "a golden file has method, params, inputs, outputs and tolerance");
  return *found;
}

Tensor parse_tensor(const json& value, const std::string& where) {
  const auto shape = entry(value, "shape", where).get<std::vector<int64_t>>();
  const auto dtype = entry(value, "dtype", where).get<std::string>();
  const json& data = entry(value, "data", where);
  const int64_t expected = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  if (!data.is_array() || static_cast<int64_t>(data.size()) != expected) {
    throw DataError(fmt::format("{}: shape [{}] takes {} values, found {}", where, fmt::join(shape, ","), expected, data.size()));
  }
  const auto filled = [&](auto type, at::ScalarType stored, at::ScalarType kept) {
    const auto values = data.get<std::vector<decltype(type)>>();
    return torch::tensor(values, stored).reshape(shape).to(kept);
  };
  if (dtype == "f32") return filled(double{}, at::kDouble, at::kFloat);
  if (dtype == "i64") return filled(int64_t{}, at::kLong, at::kLong);
  if (dtype != "bool") throw DataError(fmt::format("{}: dtype {} is not one of f32, i64, bool", where, dtype));
  std::vector<int64_t> values;
  for (const json& item : data) values.push_back(item.is_boolean() ? item.get<bool>() : item.get<int64_t>() != 0);
  return torch::tensor(values, at::kLong).reshape(shape).to(at::kBool);
}

TensorMap parse_tensors(const json& object, const std::string& where) {
  TensorMap tensors;
  for (const auto& [name, value] : object.items()) tensors[name] = parse_tensor(value, where + ": " + name);
  return tensors;
}

template <class T>
T param(const GoldenCase& given, const std::string& name) {
  try {
    return entry(given.params, name, given.path).get<T>();
  } catch (const json::exception&) {
    throw DataError(fmt::format("{}: param {} is {}", given.path, name, given.params.at(name).dump()));
  }
}

// The largest |a - b| / (1 + |b|); infinite where shapes or non-finite values differ.
double relative_error(const Tensor& ours, const Tensor& reference) {
  constexpr double kApart = std::numeric_limits<double>::infinity();
  if (ours.sizes() != reference.sizes()) return kApart;
  if (reference.numel() == 0) return 0;
  const Tensor a = ours.detach().to(at::kDouble), b = reference.to(at::kDouble);
  const Tensor same = (a == b).logical_or(a.isnan().logical_and(b.isnan()));
  const Tensor error = at::where(same, at::zeros_like(b), (a - b).abs() / (1 + b.abs()));
  return error.isfinite().all().item<bool>() ? error.max().item<double>() : kApart;
}

std::string shape_of(const Tensor& tensor) { return fmt::format("[{}]", fmt::join(tensor.sizes().vec(), ",")); }

// Asks for gradients of the inputs that have an output grad_<input>.
GoldenCase prepared(const GoldenCase& given) {
  GoldenCase ready = given;
  for (auto& [name, tensor] : ready.inputs) {
    tensor = tensor.clone();
    if (given.outputs.count("grad_" + name)) tensor.requires_grad_();
  }
  return ready;
}

void add_gradients(TensorMap& ours, const GoldenCase& ready, const std::string& gradient_of) {
  std::vector<std::string> names;
  std::vector<Tensor> inputs;
  for (const auto& [name, tensor] : ready.inputs) {
    if (!tensor.requires_grad() || ours.count("grad_" + name)) continue;
    names.push_back("grad_" + name);
    inputs.push_back(tensor);
  }
  if (inputs.empty() || !ours.count(gradient_of)) return;
  const auto grads = torch::autograd::grad({ours.at(gradient_of)}, inputs, {}, true, false, /*allow_unused=*/true);
  for (size_t i = 0; i < names.size(); ++i) ours[names[i]] = grads[i].defined() ? grads[i] : at::zeros_like(inputs[i]);
}

}  // namespace

const Tensor& GoldenCase::operator[](const std::string& input) const {
  const auto found = inputs.find(input);
  if (found == inputs.end()) throw DataError(fmt::format("{}: input {} is missing", path, input));
  return found->second;
}
double GoldenCase::number(const std::string& name) const { return param<double>(*this, name); }
int64_t GoldenCase::whole(const std::string& name) const { return param<int64_t>(*this, name); }
bool GoldenCase::flag(const std::string& name) const { return param<bool>(*this, name); }
std::string GoldenCase::word(const std::string& name) const { return param<std::string>(*this, name); }
std::vector<double> GoldenCase::numbers(const std::string& name) const { return param<std::vector<double>>(*this, name); }

GoldenCase parse_golden(const std::string& text, const std::string& path) {
  try {
    const json root = json::parse(text);
    GoldenCase read;
    read.path = path;
    read.method = entry(root, "method", path).get<std::string>();
    read.params = entry(root, "params", path);
    read.inputs = parse_tensors(entry(root, "inputs", path), path + ": inputs");
    read.outputs = parse_tensors(entry(root, "outputs", path), path + ": outputs");
    read.tolerance = entry(root, "tolerance", path).get<double>();
    if (read.outputs.empty()) throw DataError(path + ": no outputs to compare");
    return read;
  } catch (const json::parse_error& error) {
    throw DataError(fmt::format("{}: not JSON at byte {}", path, error.byte), "the file is damaged or cut short");
  } catch (const json::exception& error) {
    throw DataError(fmt::format("{}: an entry has another type than expected", path), error.what());
  }
}

GoldenCase load_golden(const std::string& path) { return parse_golden(read_file(path), path); }

GoldenVerdict judge_golden(const GoldenCase& given, const GoldenBinding* binding) {
  GoldenVerdict verdict{given.path, given.method, GoldenVerdict::Outcome::unbound, 0, {}};
  if (binding == nullptr) return verdict;
  verdict.outcome = GoldenVerdict::Outcome::failed;
  TensorMap ours;
  try {
    const GoldenCase ready = prepared(given);
    ours = binding->outputs(ready);
    add_gradients(ours, ready, binding->gradient_of);
  } catch (...) {
    verdict.detail = current_failure().line;
    return verdict;
  }
  for (const auto& [name, reference] : given.outputs) {
    const auto found = ours.find(name);
    if (found == ours.end()) {
      verdict.detail = fmt::format("output {} is not computed", name);
      return verdict;
    }
    const double error = relative_error(found->second, reference);
    if (error <= verdict.error) continue;
    verdict.error = error;
    if (error <= given.tolerance) continue;
    verdict.detail = found->second.sizes() == reference.sizes()
                         ? fmt::format("{} is off by {:.3g} (tolerance {:.3g})", name, error, given.tolerance)
                         : fmt::format("{} has shape {}, expected {}", name, shape_of(found->second), shape_of(reference));
  }
  if (verdict.error <= given.tolerance) verdict.outcome = GoldenVerdict::Outcome::passed;
  return verdict;
}

std::vector<GoldenVerdict> judge_golden_folder(const std::string& folder, const std::string& filter) {
  std::vector<std::string> paths;
  std::error_code failed;
  for (const auto& file : std::filesystem::directory_iterator(folder, failed)) {
    if (file.path().extension() == ".json") paths.push_back(file.path().string());
  }
  if (failed) throw DataError(fmt::format("{}: {}", folder, failed.message()), "give the folder that holds the golden files");
  if (paths.empty()) throw DataError(folder + ": no .json file here", "give the folder that holds the golden files");
  std::sort(paths.begin(), paths.end());
  std::vector<GoldenVerdict> verdicts;
  std::vector<std::string> methods;
  for (const auto& path : paths) {
    const GoldenCase given = load_golden(path);
    methods.push_back(given.method);
    if (given.method.compare(0, filter.size(), filter) != 0) continue;
    const auto bound = golden_bindings().find(given.method);
    verdicts.push_back(judge_golden(given, bound == golden_bindings().end() ? nullptr : &bound->second));
  }
  if (verdicts.empty()) {
    const std::string nearest = nearest_name(filter, methods);
    throw ConfigError(fmt::format("--filter: no golden case is of a method that begins with \"{}\"", filter),
                      nearest.empty() ? "" : fmt::format("did you mean \"{}\"?", nearest));
  }
  return verdicts;
}

}  // namespace retort
