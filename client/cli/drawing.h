// Draws selections into an output and reports what was drawn: what `tensor`, `model` and `digest`
// share.
#ifndef WEIGHTINIT_CLIENT_CLI_DRAWING_H_
#define WEIGHTINIT_CLIENT_CLI_DRAWING_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/backend.h"
#include "client/cli/session.h"
#include "client/cli/spec_flags.h"
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

struct Drawn {
  std::vector<DrawnTensor> tensors;
  double seconds = 0;

  std::int64_t num_bytes() const;
  // Σ weight·digest: of a whole model, its digest; parts add up to it.
  std::uint64_t digest() const;
};

// Draws into `path` (see output.h).
absl::StatusOr<Drawn> DrawInto(const std::string& path, const Model& model,
                               std::span<const Selection> selections, Session& session);

// Draws, describes and forgets; `take` gets every summary. Errors: as Backend::Summarize.
absl::StatusOr<Drawn> DrawAndSummarize(
    const Model& model, std::span<const Selection> selections, int histogram_bins, Session& session,
    const std::function<void(const v1::SummarizeResponse&)>& take);

// An object with tensors, digest, fingerprint, seed, generator; and `file`, unless empty.
std::string DrawnJson(const Drawn& drawn, const Model& model, const std::string& file);

// "w.npy: 131.1 kB in 0.1 s, digest …".
std::string DrawnLine(const Drawn& drawn, const Model& model, const std::string& file,
                      const SpecFlags& spec);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_DRAWING_H_
