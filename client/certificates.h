// TLS's files, before they are used: gRPC would say of a wrong one that there is no address.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_CLIENT_CERTIFICATES_H_
#define WEIGHTINIT_CLIENT_CERTIFICATES_H_

#include <string>

#include "absl/status/status.h"

namespace weightinit::client {

struct PemFile {
  std::string path;  // for errors
  std::string text;
};

// Whether all that is in `file` can be read, and there is one. Errors: INVALID_ARGUMENT, naming it.
absl::Status CheckCertificates(const PemFile& file);

// Whether `key` is the private key of the first certificate in `cert`, and needs no password.
// Errors: INVALID_ARGUMENT, naming the file.
absl::Status CheckPair(const PemFile& cert, const PemFile& key);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CERTIFICATES_H_
