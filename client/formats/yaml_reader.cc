// YAML → Document, from yaml-cpp's events. yaml-cpp's own tree would expand nothing either, but
// keeps duplicate keys silently and cannot be stopped at a number of nodes.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <sstream>
#include <unordered_map>

#include "client/formats/document_builder.h"

namespace weightinit::client {
namespace {

int LineOf(const YAML::Mark& mark) { return mark.line + 1; }

class YamlEvents final : public YAML::EventHandler {
 public:
  explicit YamlEvents(DocumentBuilder* builder) : builder_(*builder) {}

  int documents() const { return documents_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1)
      throw DocumentBuilder::Refusal{LineOf(mark), "a second document in one file"};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Remember(anchor, builder_.AddNull(LineOf(mark)));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    builder_.AddAlias(LineOf(mark), anchors_.at(anchor));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool quoted = tag == "!";
    const bool null = !quoted && (value == "~" || value == "null" || value == "Null" ||
                                  value == "NULL" || value.empty());
    Remember(anchor, null ? builder_.AddNull(LineOf(mark))
                          : builder_.AddScalar(LineOf(mark), value, quoted));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Remember(anchor, builder_.Open(LineOf(mark), Document::Kind::kList));
  }
  void OnSequenceEnd() override { builder_.Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Remember(anchor, builder_.Open(LineOf(mark), Document::Kind::kMap));
  }
  void OnMapEnd() override { builder_.Close(); }

 private:
  void Remember(YAML::anchor_t anchor, std::uint32_t node) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
  }

  DocumentBuilder& builder_;
  std::unordered_map<YAML::anchor_t, std::uint32_t> anchors_;
  int documents_ = 0;
};

}  // namespace

void ReadYaml(std::string_view text, DocumentBuilder& builder) {
  YamlEvents events(&builder);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(events)) {
    }
  } catch (const YAML::Exception& error) {
    throw DocumentBuilder::Refusal{error.mark.is_null() ? 1 : LineOf(error.mark), error.msg};
  }
  if (events.documents() == 0) throw DocumentBuilder::Refusal{1, "the file is empty"};
}

}  // namespace weightinit::client
