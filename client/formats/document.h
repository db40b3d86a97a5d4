// A parsed YAML or JSON file as a tree of values that know their line.
//
//   auto document = Document::Parse(text, "recipe.yaml");
//   document->root().key(0).text()            // "rules"
//   document->LineOf("rules[2].init.normal")  // the line of the deepest part that exists
//
// Errors in both name their line. What begins with a brace and is no JSON is read as YAML. One
// document per file; cyclic aliases, keys that are no texts, more than kMaxDepth levels and more
// than kMaxFileBytes are refused. Repeated keys are kept: whoever walks the tree refuses them, and
// bounds the walk (kMaxVisits), since aliases are shared, not copied.
//
// Thread-safety: a Document is a value; const member functions may be called from several threads.
#ifndef WEIGHTINIT_CLIENT_FORMATS_DOCUMENT_H_
#define WEIGHTINIT_CLIENT_FORMATS_DOCUMENT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weightinit::client {

// "nameRegex" → "name_regex"; anything else stays as it is.
std::string SnakeCase(std::string_view key);

class Document {
 public:
  // A recipe of 100 000 tensors is 10 MB; the tree takes some 15 times as much.
  static constexpr std::size_t kMaxFileBytes = std::size_t{32} << 20;
  // A recipe needs 7.
  static constexpr int kMaxDepth = 32;
  static constexpr std::size_t kMaxNodes = std::size_t{8} << 20;
  // Values that a walk may visit: every value of the largest file, and room for honest aliases.
  static constexpr std::int64_t kMaxVisits = std::int64_t{16} << 20;

  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };

  // A view of one value. REQUIRES: the document outlives it
  class Value {
   public:
    Kind kind() const;
    bool is_scalar() const { return kind() == Kind::kScalar; }
    // The text of a scalar; empty otherwise.
    const std::string& text() const;
    // In quotes: never a number, a boolean or null.
    bool quoted() const;
    int line() const;  // from 1

    // Items of a list; values of a map, in the order of the file.
    std::size_t size() const;
    Value item(std::size_t index) const;
    Value key(std::size_t index) const;

    // For people: "a list".
    std::string_view KindName() const;

   private:
    friend class Document;
    Value(const Document* document, std::uint32_t node) : document_(document), node_(node) {}
    const Document* document_;
    std::uint32_t node_;
  };

  // `file` stands in errors: "recipe.yaml:12: …". Errors: INVALID_ARGUMENT.
  static absl::StatusOr<Document> Parse(std::string_view text, std::string_view file);
  // Reads and parses. Errors: also NOT_FOUND, PERMISSION_DENIED, … for the file itself.
  static absl::StatusOr<Document> Load(const std::string& path);

  Value root() const { return Value(this, root_); }
  const std::string& file() const { return file_; }

  // The line of the deepest value that the path names: "rules[2].init.sparse.sparsity" is the line
  // of rules[2].init where that is a text.
  int LineOf(std::string_view path) const;

  // INVALID_ARGUMENT "file:line: field: description", with the field as a FieldViolation.
  absl::Status Error(int line, std::string_view field, std::string_view description) const;

 private:
  friend class DocumentBuilder;
  struct Node {
    Kind kind = Kind::kNull;
    bool quoted = false;
    bool open = false;  // being read: an alias to it would be a cycle
    int line = 0;
    std::string text;
    std::vector<std::uint32_t> children;  // items; or key, value, key, value …
  };

  std::string file_;
  std::vector<Node> nodes_;
  std::uint32_t root_ = 0;
};

// Reads a whole file of up to max_bytes. Errors name the path.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, std::size_t max_bytes);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_DOCUMENT_H_
