// The digest of a selection's bytes that someone else drew.
//
// Thread-safety: const member functions may be called from several threads at once.
#ifndef WEIGHTINIT_CLIENT_SLICE_DIGEST_H_
#define WEIGHTINIT_CLIENT_SLICE_DIGEST_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "weightinit/dtype.h"
#include "weightinit/selection.h"

namespace weightinit::client {

class SliceDigest {
 public:
  explicit SliceDigest(const BoundSelection& selection);

  // The digest of elements of the slice from `first` (row-major over the slice) on; parts add up
  // mod 2^64. REQUIRES: whole elements within the slice
  std::uint64_t Of(std::int64_t first, std::span<const std::byte> bytes) const;

 private:
  struct Dim {
    std::int64_t size, stride;
  };
  DType dtype_;
  std::int64_t base_;
  std::vector<Dim> dims_;  // neighbours that are one run are merged; at least one
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_SLICE_DIGEST_H_
