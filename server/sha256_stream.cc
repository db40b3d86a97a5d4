#include "server/sha256_stream.h"

#include <openssl/evp.h>

namespace weightinit::server {

void Sha256Stream::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256Stream::Sha256Stream() = default;

absl::Status Sha256Stream::Update(std::span<const std::byte> bytes) {
  if (context_ == nullptr) {
    context_.reset(EVP_MD_CTX_new());
    if (context_ == nullptr || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) {
      return absl::InternalError("OpenSSL offers no SHA-256");
    }
  }
  if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) {
    return absl::InternalError("OpenSSL failed to compute SHA-256");
  }
  return absl::OkStatus();
}

std::string Sha256Stream::Finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_.get(), digest, &size);
  context_.reset();
  return std::string(digest, digest + size);
}

}  // namespace weightinit::server
