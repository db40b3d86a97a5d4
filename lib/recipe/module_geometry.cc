#include "lib/recipe/module_geometry.h"

#include <algorithm>
#include <array>

namespace weightinit {
namespace {

// "keras.layers.Dense" → "Dense"
std::string_view TypeOf(std::string_view module) { return module.substr(module.rfind('.') + 1); }

template <std::size_t N>
bool IsOneOf(std::string_view module, const std::array<std::string_view, N>& types) {
  return std::find(types.begin(), types.end(), TypeOf(module)) != types.end();
}

// Keras' Conv1D and GPT-2's Conv1D (transformers.pytorch_utils) both hold (…, in, out); Flax'
// ConvTranspose does too (transpose_kernel=False).
constexpr std::array<std::string_view, 6> kInOut = {"Dense",  "Conv",   "ConvTranspose",
                                                    "Conv1D", "Conv2D", "Conv3D"};
// (k…, out, in).
constexpr std::array<std::string_view, 3> kInOutTransposed = {"Conv1DTranspose", "Conv2DTranspose",
                                                              "Conv3DTranspose"};

FanGeometry InOut(bool transposed) {
  FanGeometry geometry;
  geometry.layout = FanLayout::kInOut;
  geometry.transposed = transposed;
  return geometry;
}

}  // namespace

const FanGeometry& GeometryOfModule(std::string_view module) {
  static const FanGeometry kDefault, kDense = InOut(false), kTransposed = InOut(true);
  if (IsOneOf(module, kInOut)) return kDense;
  if (IsOneOf(module, kInOutTransposed)) return kTransposed;
  return kDefault;
}

int PackedMatricesOfModule(std::string_view module) {
  const std::string_view type = TypeOf(module);
  if (type == "LSTM" || type == "LSTMCell") return 4;
  if (type == "GRU" || type == "GRUCell" || type == "MultiheadAttention") return 3;
  return 1;
}

}  // namespace weightinit
