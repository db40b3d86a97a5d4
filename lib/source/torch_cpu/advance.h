// Past the steps of a stream without their values.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_ADVANCE_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_ADVANCE_H_

#include <functional>

#include "absl/status/status.h"
#include "lib/plan/torch_stream.h"
#include "lib/source/torch_cpu/generator.h"

namespace weightinit::torch_cpu {

// Takes the generator from before the step to after it. Errors: CANCELLED; RESOURCE_EXHAUSTED.
absl::Status Advance(const Dialect& dialect, const Step& step, Generator& generator,
                     const std::function<bool()>& cancelled);

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_ADVANCE_H_
