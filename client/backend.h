// Where weights come from: this process, or a server. Both give the same bytes, the same plans and
// the same refusals, so that whoever asks need not know which it is.
//
//   Model model{recipe, *Resolve(recipe)};
//   absl::Status status = backend.Read(model, selections, {}, receiver, stop);
//
// Whoever asks resolves the recipe first (it costs no drawing): values are then checked against
// what was asked, not against what the answer says of itself.
//
// Thread-safety: a Backend may be used from several threads at once.
#ifndef WEIGHTINIT_CLIENT_BACKEND_H_
#define WEIGHTINIT_CLIENT_BACKEND_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "weightinit/plan.h"
#include "weightinit/recipe.h"
#include "weightinit/selection.h"
#include "weightinit/v1/capabilities.pb.h"
#include "weightinit/v1/plan.pb.h"
#include "weightinit/v1/summary.pb.h"

namespace weightinit::client {

// A recipe and what it resolved to here.
struct Model {
  Recipe recipe;
  ModelPlan plan;
};

// The messages of a Plan call, merged.
struct PlanAnswer {
  v1::PlanReport report;
  std::vector<v1::TensorPlan> tensors;
};

// Takes the values of a Read.
class Receiver {
 public:
  virtual ~Receiver() = default;

  // Whether Take must be called for one selection after the other, in order of offsets and by one
  // thread at a time. Otherwise: from several threads at once, with disjoint bytes in no fixed
  // order.
  virtual bool in_order() const = 0;

  // `bytes` begins at byte_offset of the bytes of selections[selection], may begin and end within
  // an element, and is valid during the call alone. An error ends the Read, which returns it.
  virtual absl::Status Take(std::size_t selection, std::int64_t byte_offset,
                            std::span<const std::byte> bytes) = 0;

  // All of a selection was taken; `digest` is that of the bytes taken, 0 unless asked for. On the
  // thread that took the last of them.
  virtual absl::Status Done(std::size_t selection, std::uint64_t digest) = 0;
};

struct ReadOptions {
  // Compute the digest of what arrives; from a server, also ask for its own and compare.
  bool digest = true;
};

enum class Health : std::uint8_t { kServing, kNotServing };

class Backend {
 public:
  virtual ~Backend() = default;

  // For people: "in this process", "localhost:50051".
  virtual std::string Where() const = 0;

  // What is uncovered or idle stands in the report; other errors are those of Resolve.
  virtual absl::StatusOr<PlanAnswer> Plan(const Recipe& recipe, std::stop_token stop) = 0;

  // Draws the selections, in order. Errors: the library's refusals; CANCELLED when stopped;
  // UNAVAILABLE or DEADLINE_EXCEEDED for a connection that broke; DATA_LOSS for a server whose
  // answer is not what was asked for; those of the receiver.
  virtual absl::Status Read(const Model& model, std::span<const Selection> selections,
                            const ReadOptions& options, Receiver& receiver,
                            std::stop_token stop) = 0;

  // Draws the selections and describes them; `take` is called for each, in order. No histogram with
  // 0 bins. Errors: as Read.
  virtual absl::Status Summarize(
      const Model& model, std::span<const Selection> selections, int histogram_bins,
      const std::function<absl::Status(const v1::SummarizeResponse&)>& take,
      std::stop_token stop) = 0;

  virtual absl::StatusOr<v1::GetCapabilitiesResponse> GetCapabilities(std::stop_token stop) = 0;

  // Whether calls are taken. Errors: UNAVAILABLE.
  virtual absl::StatusOr<Health> CheckHealth(std::stop_token stop) = 0;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_BACKEND_H_
