// A short look at a tensor's values: what was expected, what was drawn, a histogram.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_CLIENT_CLI_LOOK_H_
#define WEIGHTINIT_CLIENT_CLI_LOOK_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "client/cli/terminal.h"
#include "weightinit/v1/plan.pb.h"
#include "weightinit/v1/summary.pb.h"

namespace weightinit::client {

// `height` lines of `counts.size()` characters, each an eighth of a line fine: the highest bin
// fills all lines, and no bin that holds something is empty.
std::vector<std::string> HistogramLines(std::span<const std::uint64_t> counts, std::size_t height);

// "[256, 128]"
std::string ShapeText(const google::protobuf::RepeatedField<std::int64_t>& shape);

// "NORMAL  mean 0  std 0.02"
std::string DistributionText(const v1::Distribution& distribution);

// The plan of one tensor, a line each: initializer, fans, numbers, why, notes, warnings.
std::string PlanText(const v1::TensorPlan& plan, const Terminal& terminal);

// All of it.
std::string LookText(const v1::SummarizeResponse& summary, const Terminal& terminal);

// Bins that a look shows.
inline constexpr int kLookBins = 56;

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_LOOK_H_
