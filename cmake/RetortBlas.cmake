# Which BLAS does libtorch really run on? Debian's libtorch asks for libblas.so.3, which is whatever the alternatives system points to; on the
# reference BLAS everything is 10-20 times slower, and OpenBLAS's pthread build fights with libtorch's OpenMP threads. Official builds carry MKL.
# Sets RETORT_BLAS to openblas-openmp, openblas-pthread, openblas-serial, reference, mkl, built-in, or the path of something else.
function(retort_find_blas result)
  get_filename_component(folder "${TORCH_LIBRARY}" DIRECTORY)
  find_library(RETORT_TORCH_CPU torch_cpu HINTS "${folder}" REQUIRED)
  mark_as_advanced(RETORT_TORCH_CPU)
  execute_process(COMMAND ldd "${RETORT_TORCH_CPU}" OUTPUT_VARIABLE needs ERROR_QUIET)
  if(needs MATCHES "libmkl[^ ]*\\.so")
    set(blas mkl)
  elseif(needs MATCHES "lib(blas|cblas|openblas)\\.so[^ ]* => ([^ \n]+)")
    get_filename_component(path "${CMAKE_MATCH_2}" REALPATH)
    if(path MATCHES "openblas-?(openmp|pthread|serial)")
      set(blas "openblas-${CMAKE_MATCH_1}")
    elseif(path MATCHES "/blas/libblas")
      set(blas reference)
    else()
      set(blas "${path}")
    endif()
  else()
    set(blas built-in)
  endif()
  set(${result} ${blas} PARENT_SCOPE)
endfunction()

retort_find_blas(RETORT_BLAS)
set(remedy "  apt-get install libopenblas0-openmp && update-alternatives --auto libblas.so.3-${CMAKE_LIBRARY_ARCHITECTURE}")
if(RETORT_BLAS STREQUAL "reference" AND NOT RETORT_ALLOW_SLOW_BLAS)
  message(FATAL_ERROR "libtorch runs on the reference BLAS here, 10-20 times slower than OpenBLAS. As root:\n${remedy}\n"
                      "or build all the same with -DRETORT_ALLOW_SLOW_BLAS=ON.")
elseif(RETORT_BLAS STREQUAL "openblas-pthread")
  message(WARNING "libtorch runs on OpenBLAS's pthread build, whose threads fight with libtorch's: small steps take up to three times as long. "
                  "As root:\n${remedy}")
endif()
