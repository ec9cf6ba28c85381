# Files that a target carries inside itself: retort_assets(target header function=path ...) writes one source in which the assembler
# includes each file byte for byte, and defines `std::string_view retort::report::function()` for it. It costs no compile time.
function(retort_assets target namespace header)
  set(source "${CMAKE_BINARY_DIR}/generated/${target}_assets.cpp")
  set(code "// Written by cmake/RetortAssets.cmake.\n#include \"${header}\"\n")
  set(files)
  foreach(entry IN LISTS ARGN)
    string(REGEX MATCH "^([a-z_]+)=(.+)$" matched "${entry}")
    set(name "${CMAKE_MATCH_1}")
    set(file "${CMAKE_MATCH_2}")
    list(APPEND files "${file}")
    string(APPEND code "
asm(R\"(
  .pushsection .rodata
  .hidden retort_asset_${name}
  .global retort_asset_${name}
retort_asset_${name}:
  .incbin \"${file}\"
  .hidden retort_asset_${name}_end
  .global retort_asset_${name}_end
retort_asset_${name}_end:
  .byte 0
  .popsection
)\");
extern \"C\" const char retort_asset_${name}[], retort_asset_${name}_end[];
std::string_view ${namespace}::${name}() {
  return {retort_asset_${name}, static_cast<std::size_t>(retort_asset_${name}_end - retort_asset_${name})};
}
")
  endforeach()
  file(GENERATE OUTPUT "${source}" CONTENT "${code}")
  set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${files}" SKIP_PRECOMPILE_HEADERS ON)
  target_sources(${target} PRIVATE "${source}")
endfunction()

# The Chart.js of the system, as one classic script (not a module): chart.min.js in its third release (Debian 12), chart.umd.js in its fourth.
set(RETORT_CHART_JS "" CACHE FILEPATH "Chart.js as one classic script; found in /usr/share/javascript unless given")
if(NOT RETORT_CHART_JS)
  foreach(name chart.umd.min.js chart.umd.js chart.min.js Chart.min.js chart.js Chart.js)
    set(file "/usr/share/javascript/chart.js/${name}")
    if(EXISTS "${file}")
      file(STRINGS "${file}" module LIMIT_COUNT 1 REGEX "^(import|export)[ {]")
      if(NOT module)
        set_property(CACHE RETORT_CHART_JS PROPERTY VALUE "${file}")
        break()
      endif()
    endif()
  endforeach()
endif()
if(NOT EXISTS "${RETORT_CHART_JS}")
  message(FATAL_ERROR "Chart.js was not found: install libjs-chart.js, or give the path of its script as -DRETORT_CHART_JS=…")
endif()
