#include "client/formats/document.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

#include "client/formats/document_builder.h"
#include "weightinit/status.h"

namespace weightinit::client {
namespace {

bool IsLower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// What else the file is; empty for text. yaml-cpp takes the first line of such files for all of it.
std::string NotUtf8(std::string_view text) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) return "is UTF-16";
  const bool binary = text.find('\0') != std::string_view::npos;
  return binary ? "is not text but binary" : "";
}

// Where the text after an opening brace begins; npos: there is no brace.
std::size_t AfterBrace(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t brace = text.find_first_not_of(kSpace);
  if (brace == std::string_view::npos || text[brace] != '{') return std::string_view::npos;
  return std::min(text.find_first_not_of(kSpace, brace + 1), text.size());
}

}  // namespace

std::string SnakeCase(std::string_view key) {
  std::string snake;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (i > 0 && IsUpper(key[i]) && IsLower(key[i - 1])) {
      snake += '_';
      snake += static_cast<char>(key[i] - 'A' + 'a');
    } else {
      snake += key[i];
    }
  }
  return snake;
}

Document::Kind Document::Value::kind() const { return document_->nodes_[node_].kind; }
const std::string& Document::Value::text() const { return document_->nodes_[node_].text; }
bool Document::Value::quoted() const { return document_->nodes_[node_].quoted; }
int Document::Value::line() const { return document_->nodes_[node_].line; }

std::size_t Document::Value::size() const {
  const Node& node = document_->nodes_[node_];
  return node.kind == Kind::kMap ? node.children.size() / 2 : node.children.size();
}

Document::Value Document::Value::item(std::size_t index) const {
  const Node& node = document_->nodes_[node_];
  return Value(document_, node.children[node.kind == Kind::kMap ? 2 * index + 1 : index]);
}

Document::Value Document::Value::key(std::size_t index) const {
  return Value(document_, document_->nodes_[node_].children[2 * index]);
}

std::string_view Document::Value::KindName() const {
  switch (kind()) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return "a text";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a mapping";
  }
  return "";
}

absl::StatusOr<Document> Document::Parse(std::string_view text, std::string_view file) {
  Document document;
  document.file_ = file;
  if (text.size() > kMaxFileBytes) {
    return document.Error(1, "",
                          std::to_string(text.size()) + " bytes; at most " +
                              std::to_string(kMaxFileBytes) + " are read");
  }
  if (const std::string reason = NotUtf8(text); !reason.empty()) {
    return document.Error(
        1, "", reason + "; a recipe is YAML or JSON in UTF-8, a checkpoint a .safetensors file");
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::optional<DocumentBuilder::Refusal> no_json;
  try {
    if (const std::size_t begin = AfterBrace(text); begin != std::string_view::npos) {
      DocumentBuilder builder(&document);
      no_json = ReadJson(text, builder);
      if (!no_json.has_value()) return document;
      // Braces, but YAML's: keys without quotes, comments, a comma before the end.
      document.nodes_.clear();
      if (text.substr(begin, 1) != "\"") no_json.reset();
    }
    DocumentBuilder builder(&document);
    ReadYaml(text, builder);
  } catch (const DocumentBuilder::Refusal& refusal) {
    // Of what was meant as JSON and is neither, JSON's words are the ones to go by.
    const DocumentBuilder::Refusal& told = no_json.has_value() ? *no_json : refusal;
    return document.Error(told.line, "", told.reason);
  } catch (const std::exception& error) {
    return document.Error(1, "", error.what());
  }
  return document;
}

absl::StatusOr<Document> Document::Load(const std::string& path) {
  absl::StatusOr<std::string> text = ReadSmallFile(path, kMaxFileBytes);
  if (!text.ok()) return text.status();
  return Parse(*text, path);
}

int Document::LineOf(std::string_view path) const {
  Value at = root();
  while (!path.empty()) {
    std::size_t index = 0;
    bool found = false;
    if (path.front() == '[') {
      const std::size_t end = path.find(']');
      if (end == std::string_view::npos || at.kind() != Kind::kList) break;
      const auto [stop, error] = std::from_chars(path.data() + 1, path.data() + end, index);
      found = error == std::errc() && stop == path.data() + end && index < at.size();
      path.remove_prefix(end + 1);
    } else {
      const std::size_t end = std::min(path.find_first_of(".["), path.size());
      const std::string_view name = path.substr(0, end);
      if (at.kind() != Kind::kMap) break;
      for (; index < at.size() && !found; ++index) found = SnakeCase(at.key(index).text()) == name;
      if (found) --index;
      path.remove_prefix(end);
    }
    if (!found) break;
    at = at.item(index);
    if (!path.empty() && path.front() == '.') path.remove_prefix(1);
  }
  return at.line();
}

absl::Status Document::Error(int line, std::string_view field, std::string_view description) const {
  std::string message = file_ + ":" + std::to_string(line) + ": ";
  if (field.empty()) {
    message += description;
    return absl::InvalidArgumentError(message);
  }
  return FieldError(message.append(field), description);
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, std::size_t max_bytes) {
  // Pipes are welcome: <(generate-recipe), /dev/stdin.
  // EINTR comes from whoever wants us to end: a fifo may have no writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == EINTR) return absl::CancelledError(path + ": interrupted");
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};
  struct stat info {};
  if (::fstat(fd, &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (S_ISDIR(info.st_mode)) return absl::InvalidArgumentError(path + ": is a directory");
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) return absl::CancelledError(path + ": interrupted");
    if (count < 0) return absl::ErrnoToStatus(errno, path);
    if (count == 0) return text;
    if (text.size() + static_cast<std::size_t>(count) > max_bytes) {
      return absl::InvalidArgumentError(path + ": more than " + std::to_string(max_bytes) +
                                        " bytes");
    }
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

}  // namespace weightinit::client
