// Names of enumerations, both ways.
#ifndef WEIGHTINIT_LIB_RECIPE_NAME_TABLES_H_
#define WEIGHTINIT_LIB_RECIPE_NAME_TABLES_H_

#include <array>
#include <span>
#include <string_view>

#include "weightinit/initializer.h"

namespace weightinit {

template <typename Enum>
struct Named {
  Enum value;
  std::string_view name;
};

std::span<const Named<FanMode>> NamesOf(FanMode);
std::span<const Named<Nonlinearity>> NamesOf(Nonlinearity);
std::span<const Named<TruncationBounds>> NamesOf(TruncationBounds);
std::span<const Named<VarianceScalingDistribution>> NamesOf(VarianceScalingDistribution);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_NAME_TABLES_H_
