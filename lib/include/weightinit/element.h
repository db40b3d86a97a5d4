// Single elements: their value, and how far apart two of them are.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_ELEMENT_H_
#define WEIGHTINIT_ELEMENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "weightinit/dtype.h"
#include "weightinit/export.h"

namespace weightinit {

// The value of one little-endian element. Exact for every dtype but INT64 beyond 2^53.
// REQUIRES: element.size() == SizeBytes(dtype)
WEIGHTINIT_EXPORT double ElementValue(std::span<const std::byte> element, DType dtype);

// The distance in units in the last place: how many steps from one representable value to the next
// lead from one to the other. −0 and +0 are 0 apart, the largest finite value and infinity 1.
// Integers: the difference. nullopt where one of them is NaN. REQUIRES: as above
WEIGHTINIT_EXPORT std::optional<std::uint64_t> UlpDistance(std::span<const std::byte> a,
                                                           std::span<const std::byte> b,
                                                           DType dtype);

}  // namespace weightinit

#endif  // WEIGHTINIT_ELEMENT_H_
