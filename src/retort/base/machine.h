// What the program runs on: the device, libtorch, the BLAS behind it.
#pragma once

#include <string>

#include "retort/base/tensor.h"

namespace retort {

// "auto" (an accelerator if there is one, else the CPU), "cpu", "cuda" or "cuda:N". Throws ConfigError, beginning with `where`, for
// another word or for a device that is not there.
at::Device choose_device(const std::string& text, const std::string& where);

std::string libtorch_version();  // of the headers built against, "1.13.1"

struct Blas {
  std::string name;  // "OpenBLAS", "MKL", "BLIS", "ATLAS", "reference" or "unknown"
  std::string path;  // of the shared library, "" when it is part of libtorch
};
Blas blas_in_use();

}  // namespace retort
