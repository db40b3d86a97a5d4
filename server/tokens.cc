#include "server/tokens.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <utility>

#include "server/secret_file.h"

namespace weightinit::server {
namespace {

// Short ones can be guessed. `openssl rand -hex 32` gives 64.
constexpr std::size_t kMinTokenBytes = 16;
constexpr std::string_view kBearer = "Bearer ";
constexpr std::string_view kMaxStreams = "max-streams=";
constexpr std::string_view kBlank = " \t\r";

std::array<std::uint8_t, 32> Sha256(std::string_view text) {
  std::array<std::uint8_t, 32> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = line.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    words.push_back(line.substr(0, line.find_first_of(kBlank)));
    line.remove_prefix(words.back().size());
  }
}

absl::StatusOr<Token> ParseLine(const std::vector<std::string_view>& words) {
  if (words.size() < 2 || words.size() > 3) {
    return absl::InvalidArgumentError("is not NAME TOKEN [max-streams=N]");
  }
  if (words[1].size() < kMinTokenBytes) {
    return absl::InvalidArgumentError("has a token of less than 16 characters");
  }
  Token token{std::string(words[0]), Sha256(words[1]), std::nullopt};
  if (words.size() == 2) return token;
  int max_streams = 0;
  const std::string_view number =
      words[2].starts_with(kMaxStreams) ? words[2].substr(kMaxStreams.size()) : std::string_view();
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), max_streams);
  if (number.empty() || error != std::errc() || end != number.data() + number.size() ||
      max_streams < 0) {
    return absl::InvalidArgumentError("ends with something else than max-streams=N");
  }
  token.max_streams = max_streams;
  return token;
}

}  // namespace

absl::StatusOr<std::vector<Token>> ParseTokens(std::string_view text) {
  std::vector<Token> tokens;
  for (int line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::vector<std::string_view> words = Words(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty() || words[0].front() == '#') continue;
    absl::StatusOr<Token> token = ParseLine(words);
    const std::string where = "line " + std::to_string(line) + " ";
    if (!token.ok())
      return absl::InvalidArgumentError(where + std::string(token.status().message()));
    tokens.push_back(*std::move(token));
  }
  if (tokens.empty()) return absl::InvalidArgumentError("holds no token: no one could call");
  return tokens;
}

absl::StatusOr<std::unique_ptr<Tokens>> Tokens::Load(std::string path) {
  std::unique_ptr<Tokens> tokens(new Tokens(std::move(path)));
  const absl::StatusOr<std::string> text = ReadSecretFile(tokens->path_);
  if (!text.ok()) return text.status();
  if (absl::Status status = tokens->Install(*text); !status.ok()) return status;
  return tokens;
}

absl::Status Tokens::Install(const std::string& text) {
  const auto sha256 = Sha256(text);
  seen_sha256_.assign(sha256.begin(), sha256.end());
  absl::StatusOr<std::vector<Token>> tokens = ParseTokens(text);
  if (!tokens.ok()) {
    return absl::InvalidArgumentError(path_ + ": " + std::string(tokens.status().message()));
  }
  const std::lock_guard lock(mutex_);
  tokens_ = std::make_shared<const std::vector<Token>>(*std::move(tokens));
  return absl::OkStatus();
}

std::optional<Token> Tokens::Find(std::string_view authorization) const {
  if (!authorization.starts_with(kBearer)) return std::nullopt;
  const auto sha256 = Sha256(authorization.substr(kBearer.size()));
  std::shared_ptr<const std::vector<Token>> tokens;
  {
    const std::lock_guard lock(mutex_);
    tokens = tokens_;
  }
  const Token* found = nullptr;
  for (const Token& token : *tokens) {
    if (CRYPTO_memcmp(token.sha256.data(), sha256.data(), sha256.size()) == 0) found = &token;
  }
  if (found == nullptr) return std::nullopt;
  return *found;
}

void Tokens::Refresh(const Logger& logger) {
  const absl::StatusOr<std::string> text = ReadSecretFile(path_);
  absl::Status status = text.status();
  if (text.ok()) {
    const auto sha256 = Sha256(*text);
    if (std::string(sha256.begin(), sha256.end()) == seen_sha256_) return;
    status = Install(*text);
  }
  if (status.ok()) {
    last_problem_.clear();
    logger.Log(LogLevel::kInfo, "new tokens", {{"file", path_}});
  } else if (last_problem_ != status.message()) {
    last_problem_ = std::string(status.message());
    logger.Log(LogLevel::kWarn, "the former tokens stay", {{"reason", last_problem_}});
  }
}

}  // namespace weightinit::server
