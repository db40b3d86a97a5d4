// What the usual module types say about the weights that they hold.
#ifndef WEIGHTINIT_LIB_RECIPE_MODULE_GEOMETRY_H_
#define WEIGHTINIT_LIB_RECIPE_MODULE_GEOMETRY_H_

#include <optional>
#include <string_view>

#include "weightinit/fans.h"

namespace weightinit {

// How the fans of such a module's tensors are read off their shapes where neither tensor nor rule
// says: IN_OUT for Keras' and Flax' dense and convolution layers and GPT-2's Conv1D, the default
// (torch.nn.init's, which torch's own reset_parameters uses) for PyTorch's modules and every other.
// "torch.nn.Linear" is the same as "Linear". docs/initializers.md has the table.
const FanGeometry& GeometryOfModule(std::string_view module);

// Torch's modules whose weights hold several matrices one above the other: how many; none: 1.
// LSTM 4, GRU 3 (gates); MultiheadAttention 3 (query, key, value).
int PackedMatricesOfModule(std::string_view module);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_MODULE_GEOMETRY_H_
