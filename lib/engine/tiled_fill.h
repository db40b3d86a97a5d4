// Fills selections of tensors that are tiles of several draws, or of one in another order.
#ifndef WEIGHTINIT_LIB_ENGINE_TILED_FILL_H_
#define WEIGHTINIT_LIB_ENGINE_TILED_FILL_H_

#include "absl/status/status.h"
#include "lib/engine/thread_pool.h"
#include "lib/source/source.h"
#include "weightinit/plan.h"
#include "weightinit/selection.h"
#include "weightinit/sink.h"

namespace weightinit {

// Draws what is selected and nothing else; a matrix that has to be made whole is made when the
// first element of it comes, and let go after the last. `sink` gets pieces in any order.
// REQUIRES: the tensor has a TiledLayout, the selection elements. Errors: CANCELLED,
// RESOURCE_EXHAUSTED.
absl::Status FillTiled(const ModelPlan& plan, const BoundSelection& selection, Sink& sink,
                       ThreadPool& pool, const SourceTools& tools);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_ENGINE_TILED_FILL_H_
