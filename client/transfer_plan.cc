#include "client/transfer_plan.h"

#include <algorithm>
#include <limits>

namespace weightinit::client {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

// A call costs about a millisecond; the values of this many bytes take several.
constexpr std::int64_t kMinBatchBytes = 16 * kMiB;
// What a call that breaks may have to be checked again for.
constexpr std::int64_t kMaxBatchBytes = 1024 * kMiB;
constexpr std::int64_t kBatchesPerConnection = 4;
// Tensors are cut in whole messages of any server: 2 MiB is the largest.
constexpr std::int64_t kCutBytes = 2 * kMiB;

// More do not help one reader: two already carry what a raw socket does.
constexpr std::int64_t kMaxAutomatic = 4;
constexpr std::int64_t kBytesPerConnection = 64 * kMiB;

std::int64_t BatchBytes(std::int64_t total, int connections) {
  if (connections == 1) return std::numeric_limits<std::int64_t>::max() / 2;
  const std::int64_t even = total / (connections * kBatchesPerConnection);
  return std::clamp(even / kCutBytes * kCutBytes, kMinBatchBytes, kMaxBatchBytes);
}

}  // namespace

int AutomaticConnections(std::int64_t num_bytes, int processors) {
  return static_cast<int>(std::clamp<std::int64_t>(
      std::min<std::int64_t>(num_bytes / kBytesPerConnection, processors), 1, kMaxAutomatic));
}

std::vector<Batch> PlanTransfer(std::span<const BoundSelection> selections, int connections) {
  std::int64_t total = 0;
  for (const BoundSelection& selection : selections) total += selection.num_bytes();
  const std::int64_t batch_bytes = BatchBytes(total, connections);

  std::vector<Batch> batches;
  std::int64_t room = 0;
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const std::int64_t element = SizeBytes(selections[i].dtype);
    std::int64_t done = 0;
    do {
      if (room <= 0) {
        batches.emplace_back();
        room = batch_bytes;
      }
      // What is left of a tensor may overfill a batch by less than a cut.
      const std::int64_t left = selections[i].count - done;
      const std::int64_t most = (room + kCutBytes - 1) / kCutBytes * (kCutBytes / element);
      const std::int64_t count = std::min(left, most);
      batches.back().push_back({i, done, count});
      done += count;
      room -= count * element;
    } while (done < selections[i].count);
  }
  return batches;
}

}  // namespace weightinit::client
