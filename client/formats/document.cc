#include "client/formats/document.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <charconv>
#include <sstream>
#include <unordered_map>

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

// Thrown through yaml-cpp, which has no other way to be stopped; caught in Document::Parse.
struct Refusal {
  int line;
  std::string reason;
};

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

// Builds the tree from yaml-cpp's events. yaml-cpp's own tree would expand nothing either, but
// keeps duplicate keys silently and cannot be stopped at a number of nodes.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Document* document) : document_(document) {}

  int documents() const { return documents_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) throw Refusal{mark.line + 1, "a second document in one file"};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(mark, anchor, Document::Kind::kNull);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const std::uint32_t target = anchors_.at(anchor);
    if (document_->nodes_[target].open) throw Refusal{mark.line + 1, "an alias to what holds it"};
    Attach(target, mark);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool quoted = tag == "!";
    const bool null = !quoted && (value == "~" || value == "null" || value == "Null" ||
                                  value == "NULL" || value.empty());
    const std::uint32_t node =
        Add(mark, anchor, null ? Document::Kind::kNull : Document::Kind::kScalar);
    document_->nodes_[node].text = null ? "" : value;
    document_->nodes_[node].quoted = quoted;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Add(mark, anchor, Document::Kind::kList), mark);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(Add(mark, anchor, Document::Kind::kMap), mark);
  }
  void OnMapEnd() override { Close(); }

 private:
  std::uint32_t Add(const YAML::Mark& mark, YAML::anchor_t anchor, Document::Kind kind) {
    if (document_->nodes_.size() >= Document::kMaxNodes) {
      throw Refusal{mark.line + 1, "more than " + std::to_string(Document::kMaxNodes) + " values"};
    }
    const auto node = static_cast<std::uint32_t>(document_->nodes_.size());
    document_->nodes_.push_back({.kind = kind, .line = mark.line + 1, .text = {}, .children = {}});
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
    Attach(node, mark);
    return node;
  }

  void Attach(std::uint32_t node, const YAML::Mark& mark) {
    if (open_.empty()) {
      document_->root_ = node;
      return;
    }
    Document::Node& parent = document_->nodes_[open_.back()];
    // Keys are scalars: anything else has no place in a recipe, and no path.
    if (parent.kind == Document::Kind::kMap && parent.children.size() % 2 == 0 &&
        document_->nodes_[node].kind != Document::Kind::kScalar) {
      throw Refusal{mark.line + 1, "a key that is not a text"};
    }
    // yaml-cpp finds an empty value where the next thing begins; people look for it at its key.
    Document::Node& child = document_->nodes_[node];
    if (parent.kind == Document::Kind::kMap && child.kind == Document::Kind::kNull) {
      child.line = document_->nodes_[parent.children.back()].line;
    }
    parent.children.push_back(node);
  }

  void Open(std::uint32_t node, const YAML::Mark& mark) {
    if (open_.size() >= Document::kMaxDepth) {
      throw Refusal{mark.line + 1, "more than " + std::to_string(Document::kMaxDepth) + " levels"};
    }
    document_->nodes_[node].open = true;
    open_.push_back(node);
  }
  void Close() {
    document_->nodes_[open_.back()].open = false;
    open_.pop_back();
  }

  Document* document_;
  std::vector<std::uint32_t> open_;
  std::unordered_map<YAML::anchor_t, std::uint32_t> anchors_;
  int documents_ = 0;
};

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
  TreeBuilder builder(&document);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refusal& refusal) {
    return document.Error(refusal.line, "", refusal.reason);
  } catch (const YAML::Exception& error) {
    return document.Error(error.mark.is_null() ? 1 : error.mark.line + 1, "", error.msg);
  } catch (const std::exception& error) {
    return document.Error(1, "", error.what());
  }
  if (builder.documents() == 0) return document.Error(1, "", "the file is empty");
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
