# `find_package(retort)` gives retort::retort; the program finds recipes, proofs and data under share/retort beside its own folder.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

add_library(retort_all INTERFACE)
target_link_libraries(retort_all INTERFACE retort_catalogue)
set_target_properties(retort_all PROPERTIES EXPORT_NAME retort)
add_library(retort::retort ALIAS retort_all)

get_property(floors GLOBAL PROPERTY RETORT_FOLDERS)
install(TARGETS ${floors} retort_all EXPORT retort ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS retort RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY src/retort "${CMAKE_BINARY_DIR}/generated/retort" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h"
        PATTERN assets EXCLUDE PATTERN cli EXCLUDE)
install(DIRECTORY data recipes proofs DESTINATION ${CMAKE_INSTALL_DATADIR}/retort)
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(package "${CMAKE_INSTALL_LIBDIR}/cmake/retort")
install(EXPORT retort NAMESPACE retort:: FILE retort-targets.cmake DESTINATION ${package})
configure_package_config_file(cmake/retort-config.cmake.in "${CMAKE_BINARY_DIR}/retort-config.cmake" INSTALL_DESTINATION ${package})
write_basic_package_version_file("${CMAKE_BINARY_DIR}/retort-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/retort-config.cmake" "${CMAKE_BINARY_DIR}/retort-config-version.cmake" DESTINATION ${package})

# A Debian package of it all: `cpack -G DEB` in the build tree.
set(CPACK_PACKAGE_CONTACT "the retort project")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
include(CPack)
