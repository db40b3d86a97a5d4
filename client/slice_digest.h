// The digest of a selection's bytes that someone else drew.
//
// Thread-safety: SliceDigest's const member functions may be called from several threads at once;
// RunningDigest is for one thread.
#ifndef WEIGHTINIT_CLIENT_SLICE_DIGEST_H_
#define WEIGHTINIT_CLIENT_SLICE_DIGEST_H_

#include <array>
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

// The digest of a selection's bytes that come in order, cut anywhere.
class RunningDigest {
 public:
  // Begins with the selection's first element.
  explicit RunningDigest(const BoundSelection& selection);

  // REQUIRES: no more bytes in all than the selection has
  void Add(std::span<const std::byte> bytes);

  // Of the whole elements that came.
  std::uint64_t digest() const { return digest_; }

 private:
  void AddWhole(std::span<const std::byte> bytes);

  const SliceDigest slice_;
  const std::size_t element_bytes_;
  std::int64_t next_;             // element of the slice
  std::array<std::byte, 8> cut_;  // the begin of an element whose end is still to come
  std::size_t cut_bytes_ = 0;
  std::uint64_t digest_ = 0;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_SLICE_DIGEST_H_
