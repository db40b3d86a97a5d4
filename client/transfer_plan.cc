#include "client/transfer_plan.h"

#include <algorithm>
#include <limits>

namespace weightinit::client {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

// Of several connections. gRPC takes from a socket what comes, whether its caller reads or not, up
// to a window that it lets grow to 32 MiB, and prepares buffers for twice of what came at once.
// What a call has not asked for cannot come, so that this bounds the memory for a connection. By
// then a call, of less than a millisecond, costs little beside its values.
constexpr std::int64_t kBatchBytes = 16 * kMiB;
// What came of a part before a break is drawn again to be checked: this takes less than a second.
constexpr std::int64_t kMaxPartBytes = 256 * kMiB;
// What a server would refuse is asked for all the same, but not in any number of parts. Up to 1 TiB
// they are of the sizes above.
constexpr std::int64_t kMaxCuts = 65'536;
// Tensors are cut in whole messages of any server: 4 MiB is the largest.
constexpr std::int64_t kCutBytes = 4 * kMiB;

// More do not help one reader: two already carry what a raw socket does.
constexpr std::int64_t kMaxAutomatic = 4;
constexpr std::int64_t kBytesPerConnection = 64 * kMiB;

constexpr std::int64_t kUnbounded = std::numeric_limits<std::int64_t>::max() - kCutBytes;

// To 53 bits: of more selections than fit 2^63 bytes it is still the sum.
double TotalBytes(std::span<const BoundSelection> selections) {
  double total = 0;
  for (const BoundSelection& selection : selections) {
    total += static_cast<double>(selection.num_bytes());
  }
  return total;
}

std::int64_t RoundUpToCut(std::int64_t bytes) {
  return (bytes + kCutBytes - 1) / kCutBytes * kCutBytes;
}

}  // namespace

int AutomaticConnections(std::span<const BoundSelection> selections, int processors,
                         bool several_servers) {
  const double pieces = TotalBytes(selections) / kBytesPerConnection;
  const double useful = several_servers ? pieces : std::min<double>(pieces, processors);
  return static_cast<int>(std::clamp<double>(useful, 1, kMaxAutomatic));
}

std::vector<Batch> PlanTransfer(std::span<const BoundSelection> selections, int connections,
                                const std::function<bool(int tensor)>& is_made_whole) {
  const std::int64_t least_bytes =
      RoundUpToCut(static_cast<std::int64_t>(TotalBytes(selections) / kMaxCuts));
  const std::int64_t part_bytes = std::max(kMaxPartBytes, least_bytes);
  const std::int64_t batch_bytes =
      connections == 1 ? kUnbounded : std::max(kBatchBytes, least_bytes);

  std::vector<Batch> batches;
  std::int64_t room = 0;  // in the last batch
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const std::int64_t element = SizeBytes(selections[i].dtype);
    const bool is_whole = is_made_whole && is_made_whole(selections[i].tensor);
    std::int64_t done = 0;
    do {
      if (room <= 0) {
        batches.emplace_back();
        room = batch_bytes;
      }
      // Whole cuts, so that a batch may be overfilled by less than one.
      const std::int64_t most = std::min(RoundUpToCut(room), part_bytes);
      const std::int64_t left = selections[i].count - done;
      const std::int64_t count = is_whole ? left : std::min(left, most / element);
      batches.back().push_back({i, done, count});
      done += count;
      room -= count * element;
    } while (done < selections[i].count);
  }
  return batches;
}

}  // namespace weightinit::client
