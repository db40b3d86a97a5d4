// TLS: the server's certificate and whom it trusts, read again when the files change.
#ifndef WEIGHTINIT_SERVER_CERTIFICATES_H_
#define WEIGHTINIT_SERVER_CERTIFICATES_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/logging.h"

namespace grpc {
class ServerCredentials;
}

namespace weightinit::server {

struct CertificateFiles {
  std::string cert, key;  // PEM; the chain begins with the server's own
  std::string client_ca;  // PEM; empty: clients need no certificate
};

// The end of the first certificate in seconds since 1970, if `key` is its private key.
// INVALID_ARGUMENT if one of them is no PEM, or they do not belong together.
absl::StatusOr<std::int64_t> CheckPair(const std::string& cert, const std::string& key);

// A pair is checked before it is used: gRPC would install one that does not match, and refuse every
// handshake from then on. What does not pass is told once, and the former pair stays. gRPC reads
// what passed from memory (memfd), so that no copy of the key lies on a disk.
//
// Thread-safety: Refresh by one thread at a time; the rest from any.
class Certificates {
 public:
  // Errors: INVALID_ARGUMENT, naming the file.
  static absl::StatusOr<std::unique_ptr<Certificates>> Load(CertificateFiles files);
  ~Certificates();

  // For listeners. gRPC looks for a new pair every second.
  std::shared_ptr<grpc::ServerCredentials> Credentials() const;

  // Reads the files again, and takes over what passes.
  void Refresh(const Logger& logger);

  void WarnIfExpired(const Logger& logger) const;

  // When the certificate in use ends, in seconds since 1970.
  std::int64_t expiry() const { return expiry_.load(); }

 private:
  struct Contents {
    std::string cert, key, client_ca;
    bool operator==(const Contents&) const = default;
  };
  class MemoryFile;

  explicit Certificates(CertificateFiles files);
  absl::StatusOr<Contents> ReadFiles() const;
  absl::Status Install(const Contents& contents);

  const CertificateFiles files_;
  const std::unique_ptr<MemoryFile> pair_, client_ca_;
  std::atomic<std::int64_t> expiry_{0};
  Contents seen_;             // last, whether it passed or not
  std::string last_problem_;  // told already
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_CERTIFICATES_H_
