// Whatever was thrown, as the program tells it: one line, one hint, one exit code.
#pragma once

#include <string>

namespace retort {

struct Failure {
  std::string line, hint;
  int exit_code = 1;
};
// Call inside a catch block.
Failure current_failure();

}  // namespace retort
