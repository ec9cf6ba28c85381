# Compiler flags, the launcher and the linker. All of it is optional speed: a plain g++ works too.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
add_compile_options(-Wall -Wextra -Wno-unused-parameter)
# One code model for libraries and programs, so that all of them can share the one precompiled header.
add_compile_options(-fPIC)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # The templates of the prelude are instantiated once, in the precompiled header.
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fpch-instantiate-templates>")
else()
  # libtorch's headers, seen through a precompiled header, are no longer system headers to g++.
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Wno-unused-variable -Wno-deprecated-declarations>")
endif()

set(RETORT_SANITIZE "" CACHE STRING "Sanitizers of the whole build, as of -fsanitize (address,undefined)")
if(RETORT_SANITIZE)
  add_compile_options(-fsanitize=${RETORT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${RETORT_SANITIZE})
endif()
if(RETORT_BUILD_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(RETORT_CCACHE ccache)
if(RETORT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # A fresh clone elsewhere must find the objects of this one: paths below the checkout are hashed as relative. Sloppiness is what ccache asks
  # for to serve units that use a precompiled header, and clang must keep the time out of it.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime "${RETORT_CCACHE}")
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
  else()
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endif()

find_program(RETORT_MOLD mold)
find_program(RETORT_LLD ld.lld)
if(RETORT_MOLD)
  set(RETORT_LINKER mold)
elseif(RETORT_LLD)
  set(RETORT_LINKER lld)
endif()
if(RETORT_LINKER)
  add_link_options(-fuse-ld=${RETORT_LINKER})
endif()
