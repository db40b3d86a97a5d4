// Builds a Document from what a parser finds, in the order of the file, and keeps its limits.
//
// Thread-safety: for one thread.
#ifndef WEIGHTINIT_CLIENT_FORMATS_DOCUMENT_BUILDER_H_
#define WEIGHTINIT_CLIENT_FORMATS_DOCUMENT_BUILDER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/formats/document.h"

namespace weightinit::client {

class DocumentBuilder {
 public:
  // Thrown through the parsers, which have no other way to be stopped; caught in Document::Parse.
  struct Refusal {
    int line;
    std::string reason;
  };

  // REQUIRES: the document outlives it
  explicit DocumentBuilder(Document* document) : document_(document) {}

  // Each adds a value to what is open, or as the root, and returns its number. Keys of a map are
  // scalars that alternate with its values.
  std::uint32_t AddNull(int line) { return Add(line, Document::Kind::kNull); }
  std::uint32_t AddScalar(int line, std::string text, bool quoted);
  std::uint32_t Open(int line, Document::Kind kind);
  void Close();
  // The same value once more. REQUIRES: `node` was returned by one of the above
  void AddAlias(int line, std::uint32_t node);

 private:
  std::uint32_t Add(int line, Document::Kind kind);
  void Attach(std::uint32_t node, int line);

  Document* document_;
  std::vector<std::uint32_t> open_;
};

// The parsers. Errors: thrown DocumentBuilder::Refusal.

// Why it is no JSON, in which case what was built is of no use; nullopt: it was read.
std::optional<DocumentBuilder::Refusal> ReadJson(std::string_view text, DocumentBuilder& builder);
void ReadYaml(std::string_view text, DocumentBuilder& builder);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_DOCUMENT_BUILDER_H_
