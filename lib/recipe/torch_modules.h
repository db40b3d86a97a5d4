// How torch's modules draw their parameters when they are constructed.
#ifndef WEIGHTINIT_LIB_RECIPE_TORCH_MODULES_H_
#define WEIGHTINIT_LIB_RECIPE_TORCH_MODULES_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/initializer.h"
#include "weightinit/shape.h"

namespace weightinit {

// A tensor of the module, by its name within it: "weight", "out_proj.bias".
struct ModuleTensor {
  std::string_view name;
  const Shape& shape;
};

struct ConstructionStep {
  std::size_t tensor;  // index into the given ones
  Initializer init;
};

// What reset_parameters of such a module draws, in torch's order whatever that of `tensors` is;
// "torch.nn.Linear" is the same as "Linear". Errors: INVALID_ARGUMENT at `field` for an unknown
// type, a tensor that such a module does not have, one that it always has and that is missing, and
// shapes that a recurrent module cannot have.
absl::StatusOr<std::vector<ConstructionStep>> ConstructModule(std::string_view type,
                                                              std::span<const ModuleTensor> tensors,
                                                              std::string_view field);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_TORCH_MODULES_H_
