#include "retort/serve/exposure.h"

#include <cmath>

#include "retort/base/error.h"

namespace retort {
namespace {

ConfigError not_an_exposure(const std::string& text) {
  return ConfigError(fmt::format("exposure \"{}\": expected full, labels, top-K, rounded-D or noised-S", text),
                     "for example top-5, rounded-2, noised-0.5");
}

}  // namespace

Exposure Exposure::parse(const std::string& text) {
  if (text == "full") return {Kind::full, 0};
  if (text == "labels") return {Kind::labels, 0};
  const size_t dash = text.find('-');
  if (dash == std::string::npos) throw not_an_exposure(text);
  const std::string name = text.substr(0, dash), number = text.substr(dash + 1);
  char* end = nullptr;
  const double amount = std::strtod(number.c_str(), &end);
  const bool whole = amount == std::floor(amount);
  if (number.empty() || *end || !std::isfinite(amount) || amount < 0) throw not_an_exposure(text);
  if (name == "top" && whole && amount >= 1) return {Kind::top, amount};
  if (name == "rounded" && whole && amount <= 15) return {Kind::rounded, amount};
  if (name == "noised") return {Kind::noised, amount};
  throw not_an_exposure(text);
}

std::string Exposure::text() const {
  switch (kind) {
    case Kind::full:
      return "full";
    case Kind::labels:
      return "labels";
    case Kind::top:
      return fmt::format("top-{}", amount);
    case Kind::rounded:
      return fmt::format("rounded-{}", amount);
    case Kind::noised:
      return fmt::format("noised-{}", amount);
  }
  return {};
}

Tensor Exposure::show(const Tensor& probabilities, const std::vector<Seed>& seeds) const {
  if (kind != Kind::noised) return show(probabilities, Seed());
  std::vector<Tensor> rows;
  for (size_t i = 0; i < seeds.size(); ++i) rows.push_back(show(probabilities.narrow(0, static_cast<int64_t>(i), 1), seeds[i]));
  return at::cat(rows);
}

Tensor Exposure::show(const Tensor& probabilities, Seed seed) const {
  switch (kind) {
    case Kind::full:
      return probabilities;
    case Kind::labels:
      return at::zeros_like(probabilities).scatter_(1, probabilities.argmax(1, /*keepdim=*/true), 1.0);
    case Kind::top: {
      const auto [values, places] = probabilities.topk(std::min<int64_t>(static_cast<int64_t>(amount), probabilities.size(1)), 1);
      return at::zeros_like(probabilities).scatter_(1, places, values);
    }
    case Kind::rounded: {
      const double scale = std::pow(10.0, amount);
      return (probabilities.to(at::kDouble) * scale).round() / scale;
    }
    case Kind::noised: {
      const Tensor noise = at::randn(probabilities.sizes(), seed.generator(), probabilities.options());
      return (probabilities.log() + amount * noise).softmax(1);
    }
  }
  return probabilities;
}

}  // namespace retort
