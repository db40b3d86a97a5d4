# Finds RE2 as re2::re2, for the build and for the users of an installed weightinit. Debian's RE2 ships pkg-config alone;
# newer releases ship a CMake package. Leaves re2::re2 undefined if there is neither.
find_package(re2 CONFIG QUIET)
if(NOT TARGET re2::re2)
  find_package(PkgConfig QUIET)
  if(PKG_CONFIG_FOUND)
    pkg_check_modules(RE2 QUIET IMPORTED_TARGET re2)
    if(TARGET PkgConfig::RE2)
      # Not an alias: exported targets must name re2::re2, whatever stands behind it.
      add_library(re2::re2 INTERFACE IMPORTED)
      target_link_libraries(re2::re2 INTERFACE PkgConfig::RE2)
    endif()
  endif()
endif()
