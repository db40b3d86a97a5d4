// Sources: what turns (draw, part of it) into values.
#ifndef WEIGHTINIT_LIB_SOURCE_SOURCE_H_
#define WEIGHTINIT_LIB_SOURCE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "lib/engine/single_flight_cache.h"
#include "weightinit/dtype.h"
#include "weightinit/plan.h"

namespace weightinit {

// Thread-safety: Draw may be called from several threads at once.
class Source {
 public:
  virtual ~Source() = default;

  // Elements index, index + stride, …, `count` of them, in the dtype, to `out`.
  // REQUIRES: stride ≥ 1 or count ≤ 1; every index lies in the draw; the dtype can hold the values
  virtual void Draw(std::int64_t index, std::int64_t stride, std::int64_t count, DType dtype,
                    std::byte* out) const = 0;
};

// What making a source may use. Only whole matrices need any of it.
struct SourceTools {
  SingleFlightCache* cache;
  std::function<void(std::int64_t count, const std::function<void(std::int64_t)>& task)>
      parallel_for;
  std::function<bool()> cancelled;  // may be empty
};

// Makes what the draw needs whole (orthogonal, delta_orthogonal, sparse), or finds it in the cache.
// Errors: CANCELLED, RESOURCE_EXHAUSTED (memory).
absl::StatusOr<std::unique_ptr<const Source>> MakeSource(const Draw& draw,
                                                         const SourceTools& tools);

// The memory that making such a source takes at its peak, matrix included, in bytes; 0 where
// elements stand alone. Not counted: what threads draw at a time, up to 8 MiB each. Saturates at
// the maximum of int64. REQUIRES: a draw of at least one element
std::int64_t MatrixBytes(const Draw& draw);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_SOURCE_SOURCE_H_
