// Heads like those of language models, and the packing of their top-k that our codec is measured against, both made from descriptions: indices as a
// list of 17 bits each in falling order of value, the first log-probabilities as they are, a curve fitted to the others by least squares (terms
// 1, t, sqrt(t) for ranks t), what the fit leaves rounded to a few bits of a common scale. The tail is given to it for nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "retort/teachers/topk_codec.h"

namespace retort::bench {

constexpr int64_t kVocabulary = 151936, kTop = 50;

// How a head is drawn: logits fall with the rank of a token's frequency (Zipf), tokens have their own say (Gaussian), a temperature divides both.
// Tokens are numbered by frequency where `sorted`, else at random.
struct Head {
  double zipf = 1, spread = 2, temperature = 1;
  bool sorted = true;
};

struct Drawn {
  TopkRow row;
  std::vector<double> exact;  // log-probabilities, as row.values
  double tail = 0;
};

inline Drawn draw(const Head& head, std::mt19937_64& random) {
  static std::vector<int32_t> places;
  if (places.empty()) {
    places.resize(kVocabulary);
    std::iota(places.begin(), places.end(), 0);
    std::mt19937_64 fixed(7);
    std::shuffle(places.begin(), places.end(), fixed);
  }
  std::normal_distribution<double> gauss;
  std::vector<std::pair<double, int32_t>> logits(kVocabulary);
  for (int64_t i = 0; i < kVocabulary; ++i) {
    const double value = (-head.zipf * std::log(static_cast<double>(i) + 2.7) + head.spread * gauss(random)) / head.temperature;
    logits[static_cast<size_t>(i)] = {value, head.sorted ? static_cast<int32_t>(i) : places[static_cast<size_t>(i)]};
  }
  std::partial_sort(logits.begin(), logits.begin() + kTop, logits.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  double sum = 0, rest = 0;
  for (const auto& [value, id] : logits) sum += std::exp(value - logits[0].first);
  for (size_t i = kTop; i < logits.size(); ++i) rest += std::exp(logits[i].first - logits[0].first);
  Drawn drawn;
  drawn.tail = std::log(rest / sum);
  drawn.row.tail = static_cast<float>(drawn.tail);
  for (size_t i = 0; i < kTop; ++i) {
    drawn.exact.push_back(logits[i].first - logits[0].first - std::log(sum));
    drawn.row.values.push_back(static_cast<float>(drawn.exact.back()));
    drawn.row.classes.push_back(logits[i].second);
  }
  return drawn;
}

inline double rounded(double value, int mantissa_bits) {
  int exponent = 0;
  const double part = std::frexp(value, &exponent), scale = std::exp2(mantissa_bits + 1);
  return std::ldexp(std::round(part * scale) / scale, exponent);
}

// The first value in 16 bits (8 of them mantissa), three terms, and for the first of the others residuals of two bits.
struct Peer {
  int term_mantissa = 23, term_bytes = 4, residuals = 0;
  int64_t bytes() const { return (kTop * 17 + 7) / 8 + 2 + 3 * term_bytes + (residuals > 0 ? 2 + (2 * residuals + 7) / 8 : 0); }
  std::vector<double> back(const Drawn& drawn) const {
    const size_t n = kTop - 1;
    const auto term = [](size_t t, int which) {
      return which == 0 ? 1.0 : which == 1 ? static_cast<double>(t) : std::sqrt(static_cast<double>(t));
    };
    double a[3][4] = {};
    for (size_t t = 0; t < n; ++t) {
      for (int i = 0; i < 3; ++i) {
        for (int j = 0; j < 3; ++j) a[i][j] += term(t, i) * term(t, j);
        a[i][3] += term(t, i) * drawn.exact[t + 1];
      }
    }
    for (int i = 0; i < 3; ++i) {  // Gauss and Jordan; the matrix is positive definite
      for (int row = 0; row < 3; ++row) {
        if (row == i) continue;
        const double factor = a[row][i] / a[i][i];
        for (int j = i; j < 4; ++j) a[row][j] -= factor * a[i][j];
      }
    }
    std::vector<double> values{rounded(drawn.exact[0], 7)};
    for (size_t t = 0; t < n; ++t) {
      double fitted = 0;
      for (int i = 0; i < 3; ++i) fitted += rounded(a[i][3] / a[i][i], term_mantissa) * term(t, i);
      values.push_back(fitted);
    }
    double most = 0;
    for (int t = 1; t <= residuals; ++t)
      most = std::max(most, std::abs(drawn.exact[static_cast<size_t>(t)] - values[static_cast<size_t>(t)]));
    for (int t = 1; t <= residuals && most > 0; ++t) {  // levels -2, -1, 0, 1 of half the largest
      double& value = values[static_cast<size_t>(t)];
      value += std::clamp(std::round((drawn.exact[static_cast<size_t>(t)] - value) / (most / 2)), -2.0, 1.0) * most / 2;
    }
    return values;
  }
};

// KL(truth || reconstruction) over the k classes and the tail, the reconstruction normalised.
inline double divergence(const Drawn& drawn, const std::vector<double>& values, double tail) {
  double sum = std::exp(tail), kl = std::exp(drawn.tail) * (drawn.tail - tail);
  for (size_t i = 0; i < values.size(); ++i) {
    sum += std::exp(values[i]);
    kl += std::exp(drawn.exact[i]) * (drawn.exact[i] - values[i]);
  }
  return kl + std::log(sum);
}

// What our codec gives back, in the order of `drawn`; empty when a class is lost or another one comes first.
inline std::vector<double> codec_back(const Drawn& drawn, const TopkRow& back) {
  std::vector<double> values;
  for (const int32_t id : drawn.row.classes) {
    const auto found = std::find(back.classes.begin(), back.classes.end(), id);
    if (found == back.classes.end()) return {};
    values.push_back(back.values[static_cast<size_t>(found - back.classes.begin())]);
  }
  return back.classes.front() == drawn.row.classes.front() ? values : std::vector<double>{};
}

}  // namespace retort::bench
