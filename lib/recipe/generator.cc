#include <array>

#include "lib/base/text.h"
#include "weightinit/recipe.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

constexpr std::array<std::string_view, std::variant_size_v<Generator>> kNames = {
    "philox_v1", "torch_cpu", "jax_threefry"};

}  // namespace

std::string_view Name(const Generator& generator) { return kNames[generator.index()]; }

absl::StatusOr<Generator> ParseGenerator(std::string_view text, std::string_view field) {
  const std::string lower = ToLower(text);
  if (lower == kNames[0]) return Generator(PhiloxV1{});
  if (lower == kNames[1]) return Generator(TorchCpu{});
  if (lower == kNames[2]) return Generator(JaxThreefry{});
  return FieldError(
      field, Quote(text) + " is not a generator; allowed: philox_v1, torch_cpu, jax_threefry");
}

}  // namespace weightinit
