#include "client/formats/document_builder.h"

#include <utility>

namespace weightinit::client {

std::uint32_t DocumentBuilder::AddScalar(int line, std::string text, bool quoted) {
  const std::uint32_t node = Add(line, Document::Kind::kScalar);
  document_->nodes_[node].text = std::move(text);
  document_->nodes_[node].quoted = quoted;
  return node;
}

std::uint32_t DocumentBuilder::Open(int line, Document::Kind kind) {
  const std::uint32_t node = Add(line, kind);
  if (open_.size() >= Document::kMaxDepth)
    throw Refusal{line, "more than " + std::to_string(Document::kMaxDepth) + " levels"};
  document_->nodes_[node].open = true;
  open_.push_back(node);
  return node;
}

void DocumentBuilder::Close() {
  document_->nodes_[open_.back()].open = false;
  open_.pop_back();
}

void DocumentBuilder::AddAlias(int line, std::uint32_t node) {
  if (document_->nodes_[node].open) throw Refusal{line, "an alias to what holds it"};
  Attach(node, line);
}

std::uint32_t DocumentBuilder::Add(int line, Document::Kind kind) {
  if (document_->nodes_.size() >= Document::kMaxNodes)
    throw Refusal{line, "more than " + std::to_string(Document::kMaxNodes) + " values"};
  const auto node = static_cast<std::uint32_t>(document_->nodes_.size());
  document_->nodes_.push_back({.kind = kind, .line = line, .text = {}, .children = {}});
  Attach(node, line);
  return node;
}

void DocumentBuilder::Attach(std::uint32_t node, int line) {
  if (open_.empty()) {
    document_->root_ = node;
    return;
  }
  Document::Node& parent = document_->nodes_[open_.back()];
  // Keys are scalars: anything else has no place in a recipe, and no path.
  if (parent.kind == Document::Kind::kMap && parent.children.size() % 2 == 0 &&
      document_->nodes_[node].kind != Document::Kind::kScalar) {
    throw Refusal{line, "a key that is not a text"};
  }
  // yaml-cpp finds an empty value where the next thing begins; people look for it at its key.
  Document::Node& child = document_->nodes_[node];
  if (parent.kind == Document::Kind::kMap && child.kind == Document::Kind::kNull)
    child.line = document_->nodes_[parent.children.back()].line;
  parent.children.push_back(node);
}

}  // namespace weightinit::client
