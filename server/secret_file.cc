#include "server/secret_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>

namespace weightinit::server {
namespace {

// A bundle of all certificate authorities is 0.2 MB.
constexpr std::size_t kMaxBytes = std::size_t{4} << 20;

absl::Status Error(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(path + ": " + what);
}

}  // namespace

absl::StatusOr<std::string> ReadSecretFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return Error(path, std::generic_category().message(errno));
  std::string text;
  std::array<char, 4096> piece{};
  ssize_t size = 0;
  while ((size = read(file, piece.data(), piece.size())) > 0 && text.size() <= kMaxBytes) {
    text.append(piece.data(), static_cast<std::size_t>(size));
  }
  const int error = errno;
  close(file);
  if (size < 0) return Error(path, std::generic_category().message(error));
  if (text.size() > kMaxBytes) return Error(path, "is larger than 4 MiB");
  return text;
}

}  // namespace weightinit::server
