// Recipe files, YAML and JSON, and the recipes in them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "client/formats/recipe_file.h"
#include "weightinit/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto file = weightinit::client::ParseRecipeFile(text, "fuzz.yaml");
  if (file.ok()) static_cast<void>(weightinit::Resolve(file->recipe).ok());
  return 0;
}
