// Plans, headers and summaries to messages, and back where a client needs them.
//
// Thread-safety: everything here is a pure function.
#ifndef WEIGHTINIT_PROTO_CONVERT_PLAN_H_
#define WEIGHTINIT_PROTO_CONVERT_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/plan.h"
#include "weightinit/recipe.h"
#include "weightinit/selection.h"
#include "weightinit/sink.h"
#include "weightinit/v1/capabilities.pb.h"
#include "weightinit/v1/plan.pb.h"
#include "weightinit/v1/service.pb.h"
#include "weightinit/v1/summary.pb.h"

namespace weightinit::proto {

v1::Distribution ToProto(const Distribution& distribution);

// REQUIRES: 0 ≤ tensor < plan.tensors.size()
v1::TensorPlan TensorPlanToProto(const ModelPlan& plan, int tensor);

// The messages of a Plan call: reports first, then pages, each at most `max_bytes` serialized (a
// single entry that is larger stands alone). `recipe` is what `plan` was resolved from, with its
// own allow_uncovered and allow_idle: `drawable` says whether it resolves without help.
inline constexpr std::size_t kMaxPlanMessageBytes = std::size_t{1} << 20;
std::vector<v1::PlanResponse> PlanToProto(const ModelPlan& plan, const Recipe& recipe,
                                          std::size_t max_bytes = kMaxPlanMessageBytes);

// Whether Resolve(recipe) gives a plan, where `coverage` was found with both relaxations on.
bool IsDrawable(const Coverage& coverage, const Recipe& recipe);

// What goes with the first chunk of a selection.
v1::TensorHeader HeaderToProto(const ModelPlan& plan, const BoundSelection& selection);

v1::SummarizeResponse SummaryToProto(const ModelPlan& plan, const BoundSelection& selection,
                                     const Summary& summary, std::uint64_t digest);
// The numbers of a summary as the library has them.
Summary SummaryFromProto(const v1::SummarizeResponse& response);

// What this build of the library answers: generators, initializers, dtypes, version, instruction
// set. Limits, chunk_bytes and threads are the server's to add.
v1::GetCapabilitiesResponse LibraryCapabilities();

// The API's fingerprints are bytes. Errors: INVALID_ARGUMENT unless there are 32 of them.
absl::StatusOr<Fingerprint> FingerprintFromBytes(const std::string& bytes, std::string_view field);
std::string FingerprintToBytes(const Fingerprint& fingerprint);

}  // namespace weightinit::proto

#endif  // WEIGHTINIT_PROTO_CONVERT_PLAN_H_
