# Installs a build tree into a folder of its own, builds examples/consumer against it, and runs the program.
cmake_minimum_required(VERSION 3.25)
set(prefix "${BUILD}/consumer/prefix")
string(REPLACE "|" ";" launcher "${LAUNCHER}")
file(REMOVE_RECURSE "${BUILD}/consumer")

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT code EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "${line}\nended with ${code}:\n${output}")
  endif()
endfunction()

run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${prefix}")
run("${CMAKE_COMMAND}" -S "${EXAMPLE}" -B "${BUILD}/consumer/build" -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${prefix};${PREFIXES}"
    "-DCMAKE_C_COMPILER=${C}" "-DCMAKE_CXX_COMPILER=${CXX}" "-DCMAKE_CXX_COMPILER_LAUNCHER=${launcher}" -DCMAKE_BUILD_TYPE=)
run("${CMAKE_COMMAND}" --build "${BUILD}/consumer/build")
run("${CMAKE_COMMAND}" -E env "RETORT_DATA=${prefix}/share/retort/data" "${BUILD}/consumer/build/distil" "${BUILD}/consumer/run")
foreach(file run.json student.safetensors config.json)
  if(NOT EXISTS "${BUILD}/consumer/run/${file}")
    message(FATAL_ERROR "the example left no ${file}")
  endif()
endforeach()
