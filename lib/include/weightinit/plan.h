// The plan: specs resolved to numbers. Pure arithmetic, explains itself, makes no values.
//
// Weights are a function of what a plan shows. Everything is computed in binary64 without libm
// (docs/philox-v1.md), in the order of the formulas in docs/initializers.md.
//
// Thread-safety: plans are values; const member functions may be called from several threads at
// once.
#ifndef WEIGHTINIT_PLAN_H_
#define WEIGHTINIT_PLAN_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/dtype.h"
#include "weightinit/export.h"
#include "weightinit/fans.h"
#include "weightinit/initializer.h"
#include "weightinit/layout.h"
#include "weightinit/recipe.h"
#include "weightinit/shape.h"

namespace weightinit {

// What a draw's values follow, in numbers.
// ----------------------------------------------------------------------------

struct FilledWith {  // zeros, ones, constant
  double value = 0;
};
struct DiagonalOf {  // eye
  double gain = 1;
};
struct DiracDelta {  // dirac
  std::int64_t groups = 1;
};
struct UniformOn {
  double low = 0, high = 1;
};
struct NormalWith {
  double mean = 0, std = 1;
};
struct TruncatedNormalWith {
  double mean = 0, std = 1;
  double low_sigma = -2, high_sigma = 2;           // bounds of z; may be infinite
  std::optional<std::pair<double, double>> clamp;  // ABSOLUTE bounds: x stays in here
};
struct SparseNormal {
  double std = 0.01;
  std::int64_t rows = 0, cols = 0;
  std::int64_t zeros_per_column = 0;
};
struct OrthogonalMatrix {
  double gain = 1;
  std::int64_t rows = 0, cols = 0;
};
struct DeltaOrthogonalKernel {
  double gain = 1;
  std::int64_t out = 0, in = 0;  // the matrix in the centre tap
};
using Distribution =
    std::variant<FilledWith, DiagonalOf, DiracDelta, UniformOn, NormalWith, TruncatedNormalWith,
                 SparseNormal, OrthogonalMatrix, DeltaOrthogonalKernel>;

// "uniform", "normal", "truncated_normal", "filled", …
WEIGHTINIT_EXPORT std::string_view Name(const Distribution& distribution);

// The parameters by name, as doubles: {{"mean", 0}, {"std", 0.02}}.
WEIGHTINIT_EXPORT std::vector<std::pair<std::string, double>> Numbers(
    const Distribution& distribution);

// Whether random words enter.
WEIGHTINIT_EXPORT bool IsRandom(const Distribution& distribution);

// Whether a matrix must be made whole for any part of it: orthogonal, delta_orthogonal, sparse.
WEIGHTINIT_EXPORT bool IsMadeWhole(const Distribution& distribution);

namespace torch_cpu {
struct Sequence;
}

// The key of a draw with jax_threefry, as jax.random.key_data has it.
struct JaxKey {
  std::uint32_t first = 0, second = 0;
  JaxThreefry::Layout layout = JaxThreefry::Layout::kPartitionable;
  friend bool operator==(const JaxKey&, const JaxKey&) = default;
};

// Values of one logical tensor, before any layout.
struct Draw {
  std::string name;               // the draw name
  std::uint64_t seed = 0;         // Philox key
  std::uint64_t subsequence = 0;  // upper half of the Philox counter
  Shape shape;
  Distribution distribution;
  // torch_cpu: the stream that a random draw is part of, and its step there. Without one: null, -1.
  std::shared_ptr<const torch_cpu::Sequence> sequence = nullptr;
  std::int64_t step = -1;
  std::optional<JaxKey> jax_key = std::nullopt;  // jax_threefry: of a random draw
};

// Whether a matrix must be made whole for any part of it, by the draw's generator.
WEIGHTINIT_EXPORT bool IsMadeWhole(const Draw& draw);

// What the values of a tensor are expected to show.
struct Expected {
  double mean = 0, std = 0;
  double min = 0, max = 0;  // closed bounds; infinite where there are none
};

// One draw of a view that has several.
struct PartPlan {
  int draw = 0;  // index into ModelPlan::draws, which has its name, shape and numbers
  Initializer init;
  std::optional<Fans> fans;
  std::optional<double> gain;
  Expected expected;
  std::string why;
};

struct TensorPlan {
  static constexpr std::size_t kMostParts = 64;

  std::string name;  // canonical
  Shape shape;
  DType dtype = DType::kFloat32;
  std::int64_t num_elements = 0, num_bytes = 0;
  Layout layout;
  std::string layout_text = "identity";  // "concat(dim=0, blocks=2)", "tied_to(embed.weight)", …
  // The draws behind it: draws[first_draw] … draws[first_draw + num_draws − 1].
  int first_draw = 0, num_draws = 0;
  // The tensor whose elements these are (index into ModelPlan::tensors), which writers of
  // checkpoints leave out as a duplicate and a model's digest and totals count once.
  std::optional<int> tied_to;

  // How it came about.
  Initializer init;             // of a tied tensor: the other's
  std::vector<PartPlan> parts;  // of a view with several draws: the first kMostParts
  std::optional<int> rule;      // index in the recipe; none: the tensor's own init
  std::string module;
  bool buffer = false;
  std::optional<Fans> fans;    // where the method uses them
  std::optional<double> gain;  // likewise
  Expected expected;
  std::string
      why;  // one line: "fan_in = 3·7·7 = 147; gain(RELU) = 1.4142…; std = gain/√fan_in = 0.1166…"
  std::vector<std::string> notes, warnings;
};

// Compiled renames and the index of names; made by Resolve.
class NameFinder;

using Fingerprint = std::array<std::uint8_t, 32>;

WEIGHTINIT_EXPORT std::string ToHex(std::span<const std::uint8_t> bytes);

// The first 8 bytes, little-endian, of SHA-256("weightinit-philox-v1" ‖ 0x00 ‖ u64le(len(name)) ‖
// name): docs/philox-v1.md §1. REQUIRES: name is valid UTF-8
WEIGHTINIT_EXPORT std::uint64_t SubsequenceOf(std::string_view draw_name);

// A model resolved to numbers.
struct ModelPlan {
  Generator generator;
  std::uint64_t seed = 0;
  std::vector<Draw> draws;
  std::vector<TensorPlan> tensors;  // in recipe order
  Coverage coverage;
  std::shared_ptr<const NameFinder> finder;  // what FindTensor asks
  std::vector<std::string> warnings;
  Fingerprint fingerprint{};  // SHA-256 of the canonical text: equal fingerprints, equal bits
  std::int64_t num_elements = 0, num_bytes = 0;  // tied tensors once

  // The draws behind a tensor, also a tied one: one, or those of a view's parts in order.
  // REQUIRES: 0 ≤ tensor < tensors.size()
  std::span<const Draw> DrawsOf(int tensor) const {
    const TensorPlan& of = tensors[static_cast<std::size_t>(tensor)];
    return std::span(draws).subspan(static_cast<std::size_t>(of.first_draw),
                                    static_cast<std::size_t>(of.num_draws));
  }
};

// Whether any part of the tensor needs a matrix made whole.
WEIGHTINIT_EXPORT bool IsMadeWhole(const ModelPlan& plan, int tensor);

// Expands the recipe and resolves every tensor. Costs no drawing. `cancelled` is Expand's.
// Errors: those of Expand; INVALID_ARGUMENT with paths for what a method refuses, a view that does
// not fit its tensor, two random draws with one seed and subsequence.
WEIGHTINIT_EXPORT absl::StatusOr<ModelPlan> Resolve(const Recipe& recipe,
                                                    const std::function<bool()>& cancelled = {});

// A model of one tensor; error paths begin with "tensor" instead of "tensors[0]".
WEIGHTINIT_EXPORT absl::StatusOr<ModelPlan> ResolveTensor(const TensorSpec& tensor,
                                                          std::uint64_t seed,
                                                          const Generator& generator = {});

// The text whose SHA-256 is the fingerprint.
WEIGHTINIT_EXPORT std::string CanonicalText(const ModelPlan& plan);

// Index of the tensor that an asked-for name means: canonical form, renames in order, exact match.
// Errors: NOT_FOUND at `field` with the nearest names.
WEIGHTINIT_EXPORT absl::StatusOr<int> FindTensor(const ModelPlan& plan, std::string_view name,
                                                 std::string_view field);

}  // namespace weightinit

#endif  // WEIGHTINIT_PLAN_H_
