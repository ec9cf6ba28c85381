#include "retort/base/memory.h"

#include <malloc.h>

#include <limits>

namespace retort {

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest that glibc takes; bigger blocks still come and go by themselves
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

}  // namespace retort
