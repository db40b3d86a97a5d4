# The conversion between the API and the library; server and client both link it.
# Errors are converted where there is a gRPC to carry them.
add_library(weightinit_convert STATIC
  convert_initializer.cc
  convert_plan.cc
  convert_recipe.cc
  $<$<BOOL:${WEIGHTINIT_BUILD_SERVICE}>:convert_status.cc>
  convert_view.cc
  reject_unknown.cc)
target_include_directories(weightinit_convert PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(weightinit_convert
  PUBLIC weightinit::weightinit weightinit_proto
  PRIVATE weightinit_options absl::cord)
