// What made a number, beside the versions in base: the sources that numbers depend on, and the compiler.
#pragma once

#include <string>

namespace retort {

std::string sources_digest();  // 16 hex digits over src/retort without catalogue, report and cli: changes whenever a result may
std::string compiler_version();

}  // namespace retort
