# cmake -DSOURCES=src/retort -DHEADER=….h -P SourcesDigest.cmake
# Writes the digest of all sources that results depend on: every floor but those that only show and start things.
cmake_minimum_required(VERSION 3.25)
file(GLOB_RECURSE files RELATIVE "${SOURCES}" "${SOURCES}/*.h" "${SOURCES}/*.cpp")
list(FILTER files EXCLUDE REGEX "^(catalogue|report|cli)/")
list(SORT files)
set(all "")
foreach(file IN LISTS files)
  file(MD5 "${SOURCES}/${file}" digest)
  string(APPEND all "${file} ${digest}\n")
endforeach()
string(MD5 digest "${all}")
string(SUBSTRING "${digest}" 0 16 digest)
file(CONFIGURE OUTPUT "${HEADER}" CONTENT "#pragma once\n\nnamespace retort {\n\ninline constexpr const char* kSourcesDigest = \"@digest@\";\n\n}  // namespace retort\n" @ONLY)
