// The one file of the tests that is told absolute paths, so that all others are the same to the compiler cache in every checkout.
#include "tests/places.h"

namespace retort {

std::string source_dir() { return RETORT_SOURCE_DIR; }
std::string program_path() { return RETORT_PROGRAM; }

}  // namespace retort
