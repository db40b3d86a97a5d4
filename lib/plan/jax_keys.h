// What a draw is with jax_threefry: its key, and what cannot be replayed.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_LIB_PLAN_JAX_KEYS_H_
#define WEIGHTINIT_LIB_PLAN_JAX_KEYS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "weightinit/plan.h"

namespace weightinit {

// jax.random.key(seed); the generator's numbers folded in, one after the other; then the
// subsequence, if one is given: jax.random.split's key of that index (partitionable layout), which
// below 2^32 is fold_in's.
JaxKey JaxKeyOf(const JaxThreefry& generator, std::uint64_t seed,
                std::optional<std::uint64_t> subsequence);

// Errors: INVALID_ARGUMENT for a random distribution that jax.nn.initializers does not have, at
// `init_field`, or a dtype that is not replayed, at `dtype_field`.
absl::Status CheckJax(const Distribution& distribution, const Shape& shape, DType dtype,
                      const std::string& init_field, const std::string& dtype_field);

// What jax may do otherwise than the replay, "approximate: …"; empty if nothing.
std::string JaxApproximationOf(const Distribution& distribution);

// "key (0, 42), PARTITIONABLE"
std::string ToString(const JaxKey& key);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_PLAN_JAX_KEYS_H_
