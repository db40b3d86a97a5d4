// Compares drawn values with those that files hold.
//
//   CheckpointComparison comparison(stored);
//   status = backend.Read(model, selections, {}, comparison, stop);
//   comparison.DifferenceOf(i)
//
// Files are read on the threads that draw, in pieces that stay in the cache.
#ifndef WEIGHTINIT_CLIENT_CHECKPOINT_COMPARISON_H_
#define WEIGHTINIT_CLIENT_CHECKPOINT_COMPARISON_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "client/backend.h"
#include "client/formats/input_file.h"
#include "weightinit/dtype.h"

namespace weightinit::client {

// Where the values of a selection are stored, in its order.
struct StoredValues {
  const InputFile* file = nullptr;
  std::int64_t offset = 0;
  DType dtype = DType::kFloat32;
};

struct Difference {
  using Element = std::array<std::byte, 8>;  // the first SizeBytes of them

  std::int64_t count = 0;  // elements that differ
  std::int64_t first = 0;  // position of the first of them among those of the slice
  Element stored = {}, drawn = {};
};

// Thread-safety: as a Receiver; DifferenceOf after the read.
class CheckpointComparison final : public Receiver {
 public:
  // `stored` of each selection; `progress` is told of bytes that have been compared.
  CheckpointComparison(std::vector<StoredValues> stored,
                       std::function<void(std::int64_t)> progress);

  bool in_order() const override { return false; }
  // Errors: those of the files.
  absl::Status Take(std::size_t selection, std::int64_t byte_offset,
                    std::span<const std::byte> bytes) override;
  absl::Status Done(std::size_t, std::uint64_t) override { return absl::OkStatus(); }

  // nullopt: every element is the same, bit for bit.
  std::optional<Difference> DifferenceOf(std::size_t selection) const;

 private:
  struct Found {
    Difference whole;  // of elements that came whole
    // Of elements that came in two pieces, by position.
    std::map<std::int64_t, Difference> cut;
  };
  absl::Status Note(std::size_t selection, std::int64_t begin, std::span<const std::byte> stored,
                    std::span<const std::byte> drawn);

  const std::vector<StoredValues> stored_;
  const std::function<void(std::int64_t)> progress_;
  mutable std::mutex mutex_;
  std::map<std::size_t, Found> found_;  // by selection; guarded by mutex_
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CHECKPOINT_COMPARISON_H_
