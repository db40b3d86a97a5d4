// Sources of a replayed stream.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_TORCH_SOURCE_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_TORCH_SOURCE_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "lib/plan/torch_stream.h"
#include "lib/source/source.h"

namespace weightinit::torch_cpu {

// The values of one step. The generator is taken there from the nearest state that the cache has.
// Errors: CANCELLED; RESOURCE_EXHAUSTED (memory).
absl::StatusOr<std::unique_ptr<const Source>> MakeStepSource(
    const std::shared_ptr<const Sequence>& sequence, std::int64_t step, const SourceTools& tools);

// As MatrixBytes (source.h), for what reaching the step and holding its values takes.
std::int64_t StepBytes(const Sequence& sequence, std::int64_t step);

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_TORCH_SOURCE_H_
