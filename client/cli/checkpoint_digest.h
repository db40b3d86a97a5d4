// Digests of the bytes that a checkpoint holds; nothing is drawn.
#ifndef WEIGHTINIT_CLIENT_CLI_CHECKPOINT_DIGEST_H_
#define WEIGHTINIT_CLIENT_CLI_CHECKPOINT_DIGEST_H_

#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/drawing.h"
#include "client/cli/session.h"
#include "client/formats/checkpoint.h"

namespace weightinit::client {

// Of each tensor in the order of the files and bytes, and of all of them: what the drawing of the
// same tensors would give. Errors: those of the files; INVALID_ARGUMENT for types without a digest
// and for metadata that the tensors deny.
absl::StatusOr<Drawn> DigestCheckpoint(const std::vector<CheckpointFile>& files, Session& session);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_CHECKPOINT_DIGEST_H_
