// How many threads the operations of tensors use.
#pragma once

#include <cstdint>

namespace retort {

// `requested` > 0 decides. Otherwise small work (steps of well under a millisecond) runs on one thread, where waking a second costs more
// than it brings, and anything larger on all that the machine or OMP_NUM_THREADS gives.
void use_threads(int64_t requested, bool small_work);
int64_t threads_in_use();

}  // namespace retort
