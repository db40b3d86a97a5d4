// Small files that hold secrets or certificates.
#ifndef WEIGHTINIT_SERVER_SECRET_FILE_H_
#define WEIGHTINIT_SERVER_SECRET_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace weightinit::server {

// The whole file. Errors: INVALID_ARGUMENT, naming the path and never what is in it.
absl::StatusOr<std::string> ReadSecretFile(const std::string& path);

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_SECRET_FILE_H_
