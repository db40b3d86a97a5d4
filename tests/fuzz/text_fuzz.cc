// Texts: slices, initializers, generators, sizes and scale expressions that users type, and the
// trace context that comes with a call. The first byte says which.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "client/formats/shards.h"
#include "lib/recipe/scale_expression.h"
#include "server/access_log.h"
#include "weightinit/generator.h"
#include "weightinit/initializer.h"
#include "weightinit/shape.h"

namespace weightinit {
namespace {

void Evaluate(std::string_view text) {
  const std::array<std::string, 2> groups = {"layer", "head"};
  auto expression = ScaleExpression::Create(text, {{"layers", 12}, {"d", 0.5}}, groups, "scale");
  if (!expression.ok()) return;
  for (const double layer : {0.0, 1.0, 11.0}) {
    const std::array<double, 2> values = {layer, 3};
    std::array<double, 2> used{};
    std::size_t count = 0;
    for (const std::size_t group : expression->used_groups()) used[count++] = values[group];
    const auto value = expression->Evaluate(std::span(used).first(count));
    if (value.ok() && !(std::isfinite(*value) && *value >= 0)) std::abort();
  }
}

}  // namespace
}  // namespace weightinit

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weightinit;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 6) {
    case 0: {
      const auto slice = ParseSlice(text, Shape{5, 7, 11});
      if (slice.ok()) static_cast<void>(ToString(Shape{5, 7, 11}));
      return 0;
    }
    case 1: {
      const auto init = ParseInitializer(text);
      // What is printed is read as the same.
      if (init.ok() && ParseInitializer(ToString(*init)).value_or(Initializer()) != *init)
        std::abort();
      return 0;
    }
    case 2:
      static_cast<void>(ParseGenerator(text).ok());
      return 0;
    case 3:
      static_cast<void>(client::ParseByteSize(text).ok());
      return 0;
    case 4:
      static_cast<void>(server::ParseTraceParent(text).has_value());
      return 0;
    default:
      Evaluate(text);
      return 0;
  }
}
