#include "client/certificates.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string_view>

#include "client/printable.h"

namespace weightinit::client {
namespace {

template <auto function>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    function(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

Bio BioOf(const PemFile& file) {
  return Bio(BIO_new_mem_buf(file.text.data(), static_cast<int>(file.text.size())));
}

Certificate NextCertificate(const Bio& bio) {
  return Certificate(PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr));
}

// OpenSSL would ask at the terminal for the password of an encrypted key.
int NoPassword(char*, int, int, void*) { return 0; }

absl::Status Refusal(const PemFile& file, std::string_view why) {
  ERR_clear_error();
  return absl::InvalidArgumentError(Printable(file.path) + ": " + std::string(why));
}

}  // namespace

absl::Status CheckCertificates(const PemFile& file) {
  ERR_clear_error();
  const Bio bio = BioOf(file);
  if (NextCertificate(bio) == nullptr) return Refusal(file, "holds no certificate in PEM");
  while (NextCertificate(bio) != nullptr) {
  }
  const bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return is_end ? absl::OkStatus() : Refusal(file, "holds a certificate that cannot be read");
}

absl::Status CheckPair(const PemFile& cert, const PemFile& key) {
  if (absl::Status status = CheckCertificates(cert); !status.ok()) return status;
  const PrivateKey private_key(
      PEM_read_bio_PrivateKey(BioOf(key).get(), nullptr, &NoPassword, nullptr));
  if (private_key == nullptr) {
    return Refusal(key, "holds no private key in PEM, or one that needs a password");
  }
  if (X509_check_private_key(NextCertificate(BioOf(cert)).get(), private_key.get()) != 1) {
    return Refusal(cert, "does not belong to the key in " + Printable(key.path));
  }
  return absl::OkStatus();
}

}  // namespace weightinit::client
