// Sources of JAX_THREEFRY: jax.random's values times the numbers of a plan.
#ifndef WEIGHTINIT_SOURCE_JAX_THREEFRY_JAX_SOURCE_H_
#define WEIGHTINIT_SOURCE_JAX_THREEFRY_JAX_SOURCE_H_

#include <memory>

#include "lib/source/jax_threefry/random.h"
#include "lib/source/source.h"

namespace weightinit::jax_threefry {

// Where the draw's bits come from. REQUIRES: draw.jax_key
Array ArrayOf(const Draw& draw);

// REQUIRES: draw.jax_key, and a distribution that jax_keys.h lets pass: uniform, normal,
// truncated_normal
std::unique_ptr<const Source> MakeSource(const Draw& draw);

}  // namespace weightinit::jax_threefry

#endif  // WEIGHTINIT_SOURCE_JAX_THREEFRY_JAX_SOURCE_H_
