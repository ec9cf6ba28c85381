# Compiler flags, the launcher and the linker. Everything here is optional speed: a plain g++ works too.
find_program(RETORT_CCACHE ccache)
if(RETORT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Sloppiness is what ccache asks for to serve units that use a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime "${RETORT_CCACHE}")
endif()

find_program(RETORT_MOLD mold)
find_program(RETORT_LLD ld.lld)
if(RETORT_LLD AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_link_options(-fuse-ld=lld)
elseif(RETORT_MOLD AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_link_options(-fuse-ld=mold)
endif()

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
add_compile_options(-Wall -Wextra -Wno-unused-parameter)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # The templates of the prelude are instantiated once, in the precompiled header; without a timestamp in it ccache can reuse it.
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>" $<$<COMPILE_LANGUAGE:CXX>:-fpch-instantiate-templates>)
endif()
