// Bearer tokens: who may call, from a file that is read again when it changes.
#ifndef WEIGHTINIT_SERVER_TOKENS_H_
#define WEIGHTINIT_SERVER_TOKENS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/logging.h"

namespace weightinit::server {

// One line of the file: "NAME TOKEN" or "NAME TOKEN max-streams=N". The name stands in logs, and
// may have several tokens, so that a new one can be tried before the old one goes. A token is kept
// as its SHA-256 alone.
struct Token {
  std::string name;
  std::array<std::uint8_t, 32> sha256{};
  std::optional<int> max_streams;  // of this name at one time
};

// Empty lines and those that begin with # say nothing. Errors: INVALID_ARGUMENT, naming the line
// and never the token.
absl::StatusOr<std::vector<Token>> ParseTokens(std::string_view text);

// Thread-safety: Refresh by one thread at a time; Find from any.
class Tokens {
 public:
  // Errors: INVALID_ARGUMENT, naming the file.
  static absl::StatusOr<std::unique_ptr<Tokens>> Load(std::string path);

  // Whose token an `authorization` header brings ("Bearer TOKEN"); nullopt: nobody's. Every token
  // is compared, in a time that does not depend on what was sent.
  std::optional<Token> Find(std::string_view authorization) const;

  // Reads the file again. One that is no good is told once, and the former tokens stay.
  void Refresh(const Logger& logger);

 private:
  explicit Tokens(std::string path) : path_(std::move(path)) {}
  absl::Status Install(const std::string& text);

  const std::string path_;
  std::string seen_sha256_;   // of the file, whether it was good or not
  std::string last_problem_;  // told already
  mutable std::mutex mutex_;
  std::shared_ptr<const std::vector<Token>> tokens_;  // guarded by mutex_
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_TOKENS_H_
