#include "retort/base/threads.h"

#include <cstdlib>
#include <thread>

#include <ATen/Parallel.h>

namespace retort {
namespace {

// libtorch counts physical cores, and on some virtual machines finds too few of them; the scheduler knows better.
int all_threads() {
  if (std::getenv("OMP_NUM_THREADS") != nullptr) return at::get_num_threads();
  return std::max(1, int(std::thread::hardware_concurrency()));
}

}  // namespace

void use_threads(int64_t requested, bool small_work) {
  static const int all = all_threads();
  at::set_num_threads(requested > 0 ? int(requested) : small_work ? 1 : all);
}

int64_t threads_in_use() { return at::get_num_threads(); }

}  // namespace retort
