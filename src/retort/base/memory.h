// How the process handles memory that it has freed.
#pragma once

namespace retort {

// Keeps freed memory for the next step instead of giving it back to the system: a training step frees and asks for the same tensors again and
// again, and getting fresh pages for them costs as much as the arithmetic of a small convolutional net.
void keep_freed_memory();

}  // namespace retort
