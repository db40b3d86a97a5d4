#include "lib/plan/jax_keys.h"

#include "absl/strings/str_cat.h"
#include "lib/base/text.h"
#include "lib/base/threefry.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

// Why jax has no such values; empty if it has.
std::string RefusalOf(const Distribution& distribution, const Shape& shape) {
  if (const auto* normal = std::get_if<NormalWith>(&distribution)) {
    return normal->mean == 0 ? ""
                             : "mean = " + FormatNumber(normal->mean) +
                                   "; allowed for jax_threefry, as in jax.nn.initializers: 0";
  }
  if (const auto* truncated = std::get_if<TruncatedNormalWith>(&distribution)) {
    if (truncated->mean != 0)
      return "mean = " + FormatNumber(truncated->mean) +
             "; allowed for jax_threefry, as in jax.nn.initializers: 0";
    if (truncated->clamp.has_value())
      return "bounds = ABSOLUTE; allowed for jax_threefry, as in jax.nn.initializers: SIGMA";
    constexpr double kFarthest = 3;
    if (truncated->low_sigma < -kFarthest || truncated->high_sigma > kFarthest ||
        !(truncated->low_sigma < truncated->high_sigma))
      return "bounds of " + FormatNumber(truncated->low_sigma) + "σ and " +
             FormatNumber(truncated->high_sigma) +
             "σ were not compared with jax; allowed for jax_threefry: -3 ≤ low < high ≤ 3";
    return "";
  }
  if (std::holds_alternative<SparseNormal>(distribution))
    return "jax.nn.initializers has no sparse; allowed: its own initializers";
  if (std::holds_alternative<OrthogonalMatrix>(distribution) && shape.size() != 2)
    return "jax's orthogonal of more than two dimensions is not replayed; allowed: two";
  if (std::holds_alternative<DeltaOrthogonalKernel>(distribution))
    return "jax's delta_orthogonal is not replayed; allowed: orthogonal, of two dimensions";
  return "";
}

}  // namespace

JaxKey JaxKeyOf(const JaxThreefry& generator, std::uint64_t seed,
                std::optional<std::uint64_t> subsequence) {
  jax_threefry::Key key = jax_threefry::KeyOf(seed);
  for (const std::uint32_t data : generator.fold_in) key = jax_threefry::FoldIn(key, data);
  if (subsequence.has_value()) {
    key = jax_threefry::Block(key, static_cast<std::uint32_t>(*subsequence >> 32),
                              static_cast<std::uint32_t>(*subsequence));
  }
  return {key.first, key.second, generator.layout};
}

absl::Status CheckJax(const Distribution& distribution, const Shape& shape, DType dtype,
                      const std::string& init_field, const std::string& dtype_field) {
  if (!IsRandom(distribution)) return absl::OkStatus();
  if (dtype != DType::kFloat32)
    return FieldError(dtype_field, std::string(Name(dtype)) +
                                       ": its random values are not replayed; allowed for "
                                       "jax_threefry: FLOAT32");
  const std::string refusal = RefusalOf(distribution, shape);
  return refusal.empty() ? absl::OkStatus() : FieldError(init_field, refusal);
}

std::string JaxApproximationOf(const Distribution& distribution) {
  const std::string approximate = "approximate: ";
  if (std::holds_alternative<OrthogonalMatrix>(distribution))
    return approximate + "the factorization is not jax's; within about 1e-5";
  if (std::holds_alternative<NormalWith>(distribution))
    return approximate +
           "within 3 ulp before the product with std, as XLA's log1p changes from version to "
           "version";
  if (const auto* truncated = std::get_if<TruncatedNormalWith>(&distribution)) {
    constexpr double kOfInitializers = 2;
    return approximate +
           (truncated->low_sigma == -kOfInitializers && truncated->high_sigma == kOfInitializers
                ? "within 3 ulp before the product with std, as XLA's log1p changes from version "
                  "to version"
                : "within 1e-5σ, as XLA's erf of the bounds may be an ulp off");
  }
  return "";
}

std::string ToString(const JaxKey& key) {
  return absl::StrCat("key (", key.first, ", ", key.second, "), ", std::string(Name(key.layout)));
}

}  // namespace weightinit
