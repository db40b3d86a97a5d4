// How a read is divided into calls: a large one into several, so that several connections carry it
// at once and a broken one loses little.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_TRANSFER_PLAN_H_
#define WEIGHTINIT_CLIENT_TRANSFER_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "weightinit/selection.h"

namespace weightinit::client {

// Consecutive elements of a selection.
struct TransferPart {
  std::size_t selection = 0;  // position among the selections of the read
  std::int64_t first = 0;     // elements [first, first + count) of what is selected
  std::int64_t count = 0;
};

// What one call asks for, in this order.
using Batch = std::vector<TransferPart>;

// The connections to use where the caller leaves it open: as many as can be kept busy on a machine
// of `processors`, and no more than there are large pieces to read. Of `several_servers`, each has
// processors of its own that draw.
int AutomaticConnections(std::span<const BoundSelection> selections, int processors,
                         bool several_servers);

// All elements of all selections, once, in order; a selection without elements is one part. For one
// connection one batch; for more, batches so small that one for each connection fits the memory,
// and all end at about the same time. Parts are small enough to be checked again soon, and however
// much is selected they are not many more than the selections. What `is_made_whole` (empty:
// nothing) says of a tensor is one part: a server may have to make all of it for each call.
std::vector<Batch> PlanTransfer(std::span<const BoundSelection> selections, int connections,
                                const std::function<bool(int tensor)>& is_made_whole = {});

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_TRANSFER_PLAN_H_
