// From requests to things to draw: everything that can be refused is refused here, before the first
// byte.
#ifndef WEIGHTINIT_SERVER_REQUEST_RESOLVER_H_
#define WEIGHTINIT_SERVER_REQUEST_RESOLVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/convert.h"
#include "server/chunk_stream.h"
#include "server/options.h"
#include "server/recipe_cache.h"

namespace weightinit::server {

// What a request came to.
struct ResolvedRequest {
  std::vector<PlannedSelection> selections;
  proto::Check check;
};
struct ResolvedSummary {
  std::vector<PlannedSelection> selections;
  int histogram_bins = 0;
};

// Reads, resolves, binds and limits requests; keeps the recipes it has seen. Draws nothing.
//
// `cancelled` is asked now and then while rules are matched. Errors of every method: CANCELLED, and
// those that weightinit/v1/service.proto lists.
// Thread-safety: safe for use from several threads at once.
class RequestResolver {
 public:
  explicit RequestResolver(const ServerOptions& options);

  absl::StatusOr<ResolvedRequest> Resolve(const v1::InitializeTensorRequest& request,
                                          const std::function<bool()>& cancelled = {});
  absl::StatusOr<ResolvedRequest> Resolve(const v1::InitializeModelRequest& request,
                                          const std::function<bool()>& cancelled = {});
  absl::StatusOr<ResolvedSummary> Resolve(const v1::SummarizeRequest& request,
                                          const std::function<bool()>& cancelled = {});

  // All messages of the answer. A recipe with gaps in its coverage gets a plan of the rest.
  absl::StatusOr<std::vector<v1::PlanResponse>> Plan(const v1::PlanRequest& request,
                                                     const std::function<bool()>& cancelled = {});

  // RESOURCE_EXHAUSTED if a request of this size is too large.
  absl::Status CheckRequestBytes(std::size_t bytes) const;

  const RecipeCache& recipes() const { return recipes_; }

 private:
  absl::StatusOr<std::shared_ptr<const ModelPlan>> PlanOf(const proto::RecipeSource& source,
                                                          const std::function<bool()>& cancelled);
  absl::StatusOr<std::vector<PlannedSelection>> SelectionsOf(
      const proto::RecipeSource& source, const std::vector<proto::RequestedSelection>& selections,
      const std::function<bool()>& cancelled);
  absl::Status CheckLimits(const std::vector<PlannedSelection>& selections) const;

  absl::Status CheckRecipe(const v1::Recipe& recipe) const;

  const Limits limits_;
  const int max_tensors_, max_rules_;
  const std::int64_t max_request_bytes_;
  RecipeCache recipes_;
};

// RESOURCE_EXHAUSTED of the limit `name` ("max_streams", whose flag is --max-streams), with its
// value and what was asked for as details. The text is what the user reads.
absl::Status LimitExceeded(std::string_view name, std::int64_t value, std::int64_t requested,
                           std::string_view text);

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_REQUEST_RESOLVER_H_
