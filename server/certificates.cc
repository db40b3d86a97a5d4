#include "server/certificates.h"

#include <fcntl.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <ctime>
#include <system_error>
#include <utility>

#include "server/secret_file.h"

namespace weightinit::server {
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

Bio BioOf(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Certificate FirstCertificate(const std::string& pem) {
  Certificate certificate(PEM_read_bio_X509(BioOf(pem).get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

// OpenSSL would ask at the terminal for the password of an encrypted key.
int NoPassword(char*, int, int, void*) { return 0; }

PrivateKey FirstKey(const std::string& pem) {
  PrivateKey key(PEM_read_bio_PrivateKey(BioOf(pem).get(), nullptr, &NoPassword, nullptr));
  ERR_clear_error();
  return key;
}

std::int64_t EndOf(const X509& certificate) {
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &end) != 1) return 0;
  return timegm(&end);
}

}  // namespace

absl::StatusOr<std::int64_t> CheckPair(const std::string& cert, const std::string& key) {
  const Certificate certificate = FirstCertificate(cert);
  if (certificate == nullptr) return absl::InvalidArgumentError("holds no certificate in PEM");
  const PrivateKey private_key = FirstKey(key);
  if (private_key == nullptr) {
    return absl::InvalidArgumentError("has a key that is no PEM, or needs a password");
  }
  const bool is_pair = X509_check_private_key(certificate.get(), private_key.get()) == 1;
  ERR_clear_error();
  if (!is_pair) return absl::InvalidArgumentError("does not belong to the key");
  return EndOf(*certificate);
}

// A file without a name that gRPC can read by one, and that is replaced in one step.
class Certificates::MemoryFile {
 public:
  MemoryFile() : file_(Create()) {}
  ~MemoryFile() {
    if (file_ >= 0) close(file_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

  absl::Status Replace(const std::string& text) {
    const int next = Create();
    const bool is_written =
        next >= 0 && write(next, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        dup3(next, file_, O_CLOEXEC) == file_;
    const int error = errno;
    if (next >= 0) close(next);
    if (is_written) return absl::OkStatus();
    return absl::InternalError("memfd: " + std::generic_category().message(error));
  }

 private:
  static int Create() { return memfd_create("weightinit-tls", MFD_CLOEXEC); }

  const int file_;
};

Certificates::Certificates(CertificateFiles files)
    : files_(std::move(files)),
      pair_(std::make_unique<MemoryFile>()),
      client_ca_(files_.client_ca.empty() ? nullptr : std::make_unique<MemoryFile>()) {}

Certificates::~Certificates() = default;

absl::StatusOr<std::unique_ptr<Certificates>> Certificates::Load(CertificateFiles files) {
  std::unique_ptr<Certificates> certificates(new Certificates(std::move(files)));
  absl::StatusOr<Contents> contents = certificates->ReadFiles();
  if (!contents.ok()) return contents.status();
  if (absl::Status status = certificates->Install(*contents); !status.ok()) return status;
  certificates->seen_ = *std::move(contents);
  return certificates;
}

absl::StatusOr<Certificates::Contents> Certificates::ReadFiles() const {
  Contents contents;
  for (const auto& [path, text] :
       {std::pair(&files_.cert, &contents.cert), std::pair(&files_.key, &contents.key),
        std::pair(&files_.client_ca, &contents.client_ca)}) {
    if (path->empty()) continue;
    absl::StatusOr<std::string> read = ReadSecretFile(*path);
    if (!read.ok()) return read.status();
    *text = *std::move(read);
  }
  return contents;
}

absl::Status Certificates::Install(const Contents& contents) {
  const absl::StatusOr<std::int64_t> expiry = CheckPair(contents.cert, contents.key);
  if (!expiry.ok()) {
    return absl::InvalidArgumentError(files_.cert + ": " + std::string(expiry.status().message()));
  }
  if (client_ca_ != nullptr) {
    if (FirstCertificate(contents.client_ca) == nullptr) {
      return absl::InvalidArgumentError(files_.client_ca + ": holds no certificate in PEM");
    }
    if (absl::Status status = client_ca_->Replace(contents.client_ca); !status.ok()) return status;
  }
  // Key and chain in one file: they cannot be read apart.
  absl::Status status = pair_->Replace(contents.key + "\n" + contents.cert);
  if (status.ok()) expiry_.store(*expiry);
  return status;
}

std::shared_ptr<grpc::ServerCredentials> Certificates::Credentials() const {
  namespace tls = grpc::experimental;
  const auto provider = std::make_shared<tls::FileWatcherCertificateProvider>(
      pair_->path(), pair_->path(), client_ca_ == nullptr ? "" : client_ca_->path(),
      /*refresh_interval_sec=*/1);
  tls::TlsServerCredentialsOptions options(provider);
  options.watch_identity_key_cert_pairs();
  if (client_ca_ != nullptr) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return tls::TlsServerCredentials(options);
}

void Certificates::WarnIfExpired(const Logger& logger) const {
  if (expiry() > std::time(nullptr)) return;
  logger.Log(LogLevel::kWarn, "the certificate has expired: clients refuse it",
             {{"file", files_.cert}, {"expiry", expiry()}});
}

void Certificates::Refresh(const Logger& logger) {
  const absl::StatusOr<Contents> contents = ReadFiles();
  absl::Status status = contents.status();
  if (contents.ok()) {
    if (*contents == seen_) return;
    seen_ = *contents;
    status = Install(*contents);
  }
  if (status.ok()) {
    last_problem_.clear();
    logger.Log(LogLevel::kInfo, "new certificate", {{"file", files_.cert}, {"expiry", expiry()}});
    WarnIfExpired(logger);
  } else if (last_problem_ != status.message()) {
    last_problem_ = std::string(status.message());
    logger.Log(LogLevel::kWarn, "the former certificate stays", {{"reason", last_problem_}});
  }
}

}  // namespace weightinit::server
