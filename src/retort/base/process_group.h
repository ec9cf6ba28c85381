// Many processes, one run: libtorch's c10d with torchrun's variables (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT).
#pragma once

#include <memory>
#include <string>

#include "retort/base/tensor.h"

namespace retort {

class ProcessGroup {
 public:
  // One process when WORLD_SIZE is unset or 1. Gloo on CPU. Throws ConfigError for inconsistent variables, and for a peer
  // that does not come within `timeout_seconds` (it names the rendezvous address). A peer that dies later is a ConfigError too.
  static ProcessGroup from_environment(double timeout_seconds = 120);
  ProcessGroup();  // a group of one
  int rank() const;
  int size() const;
  bool leader() const { return rank() == 0; }
  static int local_rank();                             // LOCAL_RANK: which of this host's processes; 0 when unset
  void all_reduce_mean(Tensor& tensor) const;          // in place; no work in a group of one
  void broadcast(Tensor& tensor, int from = 0) const;  // in place
  Tensor all_gather(const Tensor& tensor) const;       // equal shapes; concatenated along dim 0 in rank order
  Tensor all_gather_rows(const Tensor& tensor) const;  // the same where the processes may hold different numbers of rows
  void barrier() const;

 private:
  struct Body;
  std::shared_ptr<Body> body_;
};

}  // namespace retort
