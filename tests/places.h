// Where a test program finds the checkout and the built program.
#pragma once

#include <string>

namespace retort {

std::string source_dir();
std::string program_path();

}  // namespace retort
