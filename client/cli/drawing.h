// Draws selections into an output and reports what was drawn: what `tensor`, `model` and `digest`
// share.
#ifndef WEIGHTINIT_CLIENT_CLI_DRAWING_H_
#define WEIGHTINIT_CLIENT_CLI_DRAWING_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/backend.h"
#include "client/cli/output_layout.h"
#include "client/cli/session.h"
#include "client/cli/shard.h"
#include "client/cli/spec_flags.h"
#include "nlohmann/json.hpp"
#include "weightinit/dtype.h"
#include "weightinit/selection.h"
#include "weightinit/shape.h"
#include "weightinit/v1/summary.pb.h"

namespace weightinit::client {

// What became of one selection.
struct DrawnTensor {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;                 // of what was drawn
  std::int64_t num_bytes = 0;  // likewise
  std::uint64_t digest = 0;
  std::uint64_t digest_weight = 0;  // in the model's digest
  bool is_counted = true;           // there; otherwise as a part of another rank's shard, or as the
                                    // tensor that this one is tied to
};

// What a digest is of. They are different numbers, and have different names everywhere.
enum class DigestOfWhat : std::uint8_t {
  kTensor,     // "digest": of one tensor's elements; its slices add up to it
  kModel,      // "model digest": Σ weight·digest over all tensors of a recipe
  kSelection,  // "selection digest": the same over a part; parts add up to the model digest
};

// "model digest", "model_digest" and "modelDigest" for `between` " ", "_" and "".
std::string DigestName(DigestOfWhat what, std::string_view between);

struct Drawn {
  std::vector<DrawnTensor> tensors;
  DigestOfWhat what = DigestOfWhat::kModel;
  std::int64_t bytes_drawn = 0;  // less than num_bytes() where a broken run was continued
  double seconds = 0;

  std::int64_t num_bytes() const;
  std::uint64_t digest() const;
};

// Keys of a file's metadata: of which rank it is; of which digest its own is a summand.
inline constexpr char kRankKey[] = "weightinit.rank", kShardOfKey[] = "weightinit.shard_of";

struct DrawOptions {
  bool single_tensor = false;  // there is no recipe for people to know of
  Shard shard = {};            // what the selections are of the model
  bool resumable = false;      // what breaks is continued by the next run
};

// Draws into a file, a directory or stdout. Safetensors files leave out tensors that are tied to
// others that they hold.
absl::StatusOr<Drawn> DrawInto(const OutputTarget& target, const Model& model,
                               std::span<const Selection> asked, const DrawOptions& options,
                               Session& session);

// Draws, describes and forgets; `take` gets every summary. Errors: as Backend::Summarize.
absl::StatusOr<Drawn> DrawAndSummarize(
    const Model& model, std::span<const Selection> selections, const DrawOptions& options,
    int histogram_bins, Session& session,
    const std::function<void(const v1::SummarizeResponse&)>& take);

// Says in one line what of a replay is only near, if anything. DrawInto says it itself.
void WarnOfApproximations(const ModelPlan& plan, std::span<const BoundSelection> selections,
                          Session& session);

// Name, dtype, shape, bytes and digest of each.
nlohmann::ordered_json TensorsJson(const Drawn& drawn);

// `file`, unless empty; the tensors, as given; bytes; the digest of more than a tensor.
nlohmann::ordered_json DrawnJson(const Drawn& drawn, const std::string& file,
                                 nlohmann::ordered_json tensors);
// Also fingerprint, generator, and seed, unless a replay starts from a state; of a replay its
// dialect.
nlohmann::ordered_json DrawnJson(const Drawn& drawn, const std::string& file,
                                 nlohmann::ordered_json tensors, const ModelPlan& plan);

// "w.npy: 131.1 kB in 0.1 s, digest …".
std::string DrawnLine(const Drawn& drawn, const Model& model, const std::string& file,
                      const SpecFlags& spec);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_DRAWING_H_
