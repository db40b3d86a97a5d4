// The library in this process.
#ifndef WEIGHTINIT_CLIENT_LOCAL_BACKEND_H_
#define WEIGHTINIT_CLIENT_LOCAL_BACKEND_H_

#include <string>

#include "client/backend.h"
#include "weightinit/engine.h"

namespace weightinit::client {

class LocalBackend final : public Backend {
 public:
  // `max_matrix_bytes` as in Limits. What is asked for has no limit: it goes to whoever asks.
  explicit LocalBackend(const EngineOptions& options,
                        std::int64_t max_matrix_bytes = Limits{}.max_matrix_bytes)
      : engine_(options), max_matrix_bytes_(max_matrix_bytes) {}

  std::string Where() const override { return "in this process"; }
  absl::StatusOr<PlanAnswer> Plan(const Recipe& recipe, std::stop_token stop) override;
  absl::Status Read(const Model& model, std::span<const Selection> selections,
                    const ReadOptions& options, Receiver& receiver, std::stop_token stop) override;
  absl::Status Summarize(const Model& model, std::span<const Selection> selections,
                         int histogram_bins,
                         const std::function<absl::Status(const v1::SummarizeResponse&)>& take,
                         std::stop_token stop) override;
  absl::StatusOr<v1::GetCapabilitiesResponse> GetCapabilities(std::stop_token stop) override;
  absl::StatusOr<Health> CheckHealth(std::stop_token) override { return Health::kServing; }

 private:
  absl::Status ReadInOrder(const ModelPlan& plan, const BoundSelection& selection,
                           std::size_t index, bool digest, Receiver& receiver,
                           std::stop_token stop);
  absl::Status ReadAnyOrder(const ModelPlan& plan, const BoundSelection& selection,
                            std::size_t index, bool digest, Receiver& receiver,
                            std::stop_token stop);

  absl::StatusOr<std::vector<BoundSelection>> BindWithinLimits(
      const Model& model, std::span<const Selection> selections) const;

  Engine engine_;
  const std::int64_t max_matrix_bytes_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_LOCAL_BACKEND_H_
