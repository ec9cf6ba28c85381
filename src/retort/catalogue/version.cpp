#include "retort/catalogue/version.h"

#include "retort/sources_digest.h"

namespace retort {

std::string sources_digest() { return kSourcesDigest; }

std::string compiler_version() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

}  // namespace retort
