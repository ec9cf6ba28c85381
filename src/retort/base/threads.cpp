#include "retort/base/threads.h"

#include <ATen/Parallel.h>

namespace retort {

void use_threads(int64_t requested, bool small_work) {
  static const int all = at::get_num_threads();  // what libtorch chose before anyone asked for another number
  at::set_num_threads(requested > 0 ? int(requested) : small_work ? 1 : all);
}

int64_t threads_in_use() { return at::get_num_threads(); }

}  // namespace retort
