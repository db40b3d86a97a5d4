// SHA-256 over bytes that come in pieces.
#ifndef WEIGHTINIT_SERVER_SHA256_STREAM_H_
#define WEIGHTINIT_SERVER_SHA256_STREAM_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"

struct evp_md_ctx_st;  // OpenSSL's, kept out of this header

namespace weightinit::server {

// Thread-safety: for use by one thread at a time.
class Sha256Stream {
 public:
  Sha256Stream();

  // Errors: INTERNAL if OpenSSL has no SHA-256 to offer, as in some restricted configurations.
  absl::Status Update(std::span<const std::byte> bytes);

  // The 32 bytes of the digest; begins anew.
  std::string Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;  // made with the first bytes
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_SHA256_STREAM_H_
