// The methods by name.
#ifndef WEIGHTINIT_LIB_RECIPE_METHODS_H_
#define WEIGHTINIT_LIB_RECIPE_METHODS_H_

#include <optional>
#include <string_view>
#include <vector>

#include "weightinit/initializer.h"

namespace weightinit {

// The method of this name with default parameters; lower case, aliases already resolved.
std::optional<Initializer> MakeMethod(std::string_view name);

std::vector<std::string_view> MethodNames();

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_METHODS_H_
