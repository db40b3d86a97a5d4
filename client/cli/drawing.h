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
#include "client/cli/session.h"
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
  double seconds = 0;

  std::int64_t num_bytes() const;
  std::uint64_t digest() const;
};

// Keys of a file's metadata that say which part of which tensor it holds.
inline constexpr char kShapeKey[] = "weightinit.shape", kSliceKey[] = "weightinit.slice";

// Draws into `path` (see output.h). `single_tensor`: there is no recipe for people to know of.
absl::StatusOr<Drawn> DrawInto(const std::string& path, const Model& model,
                               std::span<const Selection> selections, bool single_tensor,
                               Session& session);

// Draws, describes and forgets; `take` gets every summary. Errors: as Backend::Summarize.
absl::StatusOr<Drawn> DrawAndSummarize(
    const Model& model, std::span<const Selection> selections, bool single_tensor,
    int histogram_bins, Session& session,
    const std::function<void(const v1::SummarizeResponse&)>& take);

// Name, dtype, shape, bytes and digest of each.
nlohmann::ordered_json TensorsJson(const Drawn& drawn);

// `file`, unless empty; the tensors, as given; bytes; the digest of more than a tensor.
nlohmann::ordered_json DrawnJson(const Drawn& drawn, const std::string& file,
                                 nlohmann::ordered_json tensors);
// Also fingerprint, seed and generator.
nlohmann::ordered_json DrawnJson(const Drawn& drawn, const std::string& file,
                                 nlohmann::ordered_json tensors, const ModelPlan& plan);

// "w.npy: 131.1 kB in 0.1 s, digest …".
std::string DrawnLine(const Drawn& drawn, const Model& model, const std::string& file,
                      const SpecFlags& spec);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_DRAWING_H_
