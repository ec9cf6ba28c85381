// Bytes and reconstruction error of packed top-k rows beside a polynomial packing, on heads like those of language models; and how fast rows pack.
#include <chrono>

#include <fmt/format.h>

#include "bench/topk_peer.h"

int main() {
  using namespace retort;
  using namespace retort::bench;
  const Peer plain, half{10, 2, 0}, residual{10, 2, 12};
  const int64_t bytes = packed_topk_bytes(kTop, kVocabulary);
  fmt::print("KL(truth || reconstruction), top {} of {} and tail, mean of 20 heads a row; bytes a token in brackets\n\n", kTop,
             kVocabulary);
  fmt::print("{:>5} {:>6} {:>5} {:>7} {:>6} {:>6} | {:>11} {:>13} {:>15} {:>18}\n", "zipf", "spread", "temp", "ids", "p1", "tail",
             fmt::format("ours ({})", bytes), fmt::format("3 terms ({})", plain.bytes()), fmt::format("half terms ({})", half.bytes()),
             fmt::format("and residuals ({})", residual.bytes()));
  double packing = 0, unpacking = 0;
  int rows = 0;
  for (const double zipf : {0.0, 1.0, 1.5}) {
    for (const double spread : {1.0, 2.0, 3.0}) {
      for (const double temperature : {0.5, 0.7, 1.0, 2.0}) {
        for (const bool sorted : {true, false}) {
          if (zipf == 0 && sorted) continue;
          std::mt19937_64 random(1);
          double p1 = 0, tail = 0, error[4] = {};
          const int heads = 20;
          for (int i = 0; i < heads; ++i) {
            const Drawn drawn = draw({zipf, spread, temperature, sorted}, random);
            const auto start = std::chrono::steady_clock::now();
            const std::string packed = pack_topk(drawn.row, kVocabulary, bytes);
            const auto middle = std::chrono::steady_clock::now();
            const TopkRow back = unpack_topk(packed, kTop, kVocabulary);
            unpacking += std::chrono::duration<double>(std::chrono::steady_clock::now() - middle).count();
            packing += std::chrono::duration<double>(middle - start).count();
            ++rows;
            const std::vector<double> values = codec_back(drawn, back);
            if (values.empty()) return 1;
            error[0] += divergence(drawn, values, back.tail) / heads;
            error[1] += divergence(drawn, plain.back(drawn), drawn.tail) / heads;
            error[2] += divergence(drawn, half.back(drawn), drawn.tail) / heads;
            error[3] += divergence(drawn, residual.back(drawn), drawn.tail) / heads;
            p1 += std::exp(drawn.exact[0]) / heads;
            tail += std::exp(drawn.tail) / heads;
          }
          fmt::print("{:>5} {:>6} {:>5} {:>7} {:>6.3f} {:>6.3f} | {:>11.6f} {:>13.6f} {:>15.6f} {:>18.6f}\n", zipf, spread, temperature,
                     sorted ? "sorted" : "random", p1, tail, error[0], error[1], error[2], error[3]);
        }
      }
    }
  }
  fmt::print("\npacked {:.0f} rows a second, unpacked {:.0f}\n", rows / packing, rows / unpacking);
}
