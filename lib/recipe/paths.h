// How fields of a recipe are called in errors.
#ifndef WEIGHTINIT_LIB_RECIPE_PATHS_H_
#define WEIGHTINIT_LIB_RECIPE_PATHS_H_

#include <string>

namespace weightinit {

inline std::string TensorPath(std::size_t index) {
  return "tensors[" + std::to_string(index) + "]";
}
inline std::string RulePath(std::size_t index) { return "rules[" + std::to_string(index) + "]"; }

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_PATHS_H_
