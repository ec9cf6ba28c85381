#include "retort/losses/contrastive.h"

#include "retort/base/error.h"
#include "retort/losses/checks.h"
#include "retort/losses/features.h"

namespace retort::losses {

Tensor memory_similarities(const Tensor& embeddings, const Tensor& memory, const Tensor& rows) {
  if (embeddings.dim() != 2 || memory.dim() != 2 || rows.dim() != 2 || embeddings.size(1) != memory.size(1) ||
      rows.size(0) != embeddings.size(0)) {
    throw ConfigError(
        fmt::format("memory_similarities: expected embeddings [b, d], memory [n, d] and rows [b, 1+k], received {}, {} and {}",
                    shape_text(embeddings), shape_text(memory), shape_text(rows)));
  }
  const Tensor held = memory.detach();
  // One matrix product over the whole memory runs at the speed of the BLAS and keeps [b, n] numbers; fetching [b, 1+k, d] rows runs at the
  // speed of memory. Fetching pays only where the negatives are a small part of a large memory.
  if (held.size(0) <= 8 * rows.size(1)) return embeddings.mm(held.t()).gather(1, rows);
  const Tensor fetched = held.index_select(0, rows.flatten()).view({rows.size(0), rows.size(1), held.size(1)});
  return at::bmm(fetched, embeddings.unsqueeze(2)).squeeze(2);
}

double contrastive_normaliser(const Tensor& similarities, double tau, int64_t n) {
  return (similarities.detach() / tau).exp().mean().item<double>() * static_cast<double>(n);
}

Tensor contrastive_loss(const Tensor& similarities, double tau, double normaliser, int64_t n, double eps) {
  const int64_t batch = similarities.size(0), negatives = similarities.size(1) - 1;
  const double share = static_cast<double>(negatives) / static_cast<double>(n);
  const Tensor log_scores = similarities / tau - std::log(normaliser);
  const Tensor positives = log_scores.select(1, 0).sum();
  const Tensor all = (log_scores.exp() + (share + eps)).log().sum();
  return (all - positives) / batch - static_cast<double>(negatives) * std::log(share);
}

Tensor refreshed_memory(const Tensor& old_rows, const Tensor& embeddings, double momentum) {
  return unit_rows(old_rows * momentum + embeddings.detach() * (1 - momentum));
}

}  // namespace retort::losses
