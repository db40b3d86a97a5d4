// JSON → Document, from nlohmann-json's events: several times as fast as yaml-cpp, which can read
// it too. Events know no line; the iterator that the parser reads through counts them.
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "client/formats/document_builder.h"

namespace weightinit::client {
namespace {

struct Place {
  int line = 1;
  char last = '\0';  // character read
};

// Iterates over the text and notes in `place` what was read last.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  CountingIterator(const char* at, Place* place) : at_(at), place_(place) {}

  char operator*() const { return *at_; }
  CountingIterator& operator++() {
    if (place_->last == '\n') ++place_->line;
    place_->last = *at_++;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  Place* place_;
};

// The parser reads no further than the token of an event, but for the one character that ends a
// number: that may be a line break, which counts when the character behind it is read.
class JsonEvents final : public nlohmann::json_sax<nlohmann::json> {
 public:
  JsonEvents(DocumentBuilder* builder, const Place* place) : builder_(*builder), place_(*place) {}

  bool null() override {
    builder_.AddNull(place_.line);
    return true;
  }
  bool boolean(bool value) override { return AddText(value ? "true" : "false"); }
  // nlohmann-json's own kind for numbers with a sign: a 0 was written -0.
  bool number_integer(number_integer_t value) override {
    return AddText(value == 0 ? "-0" : std::to_string(value));
  }
  bool number_unsigned(number_unsigned_t value) override { return AddText(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { return AddText(text); }
  bool string(string_t& value) override {
    builder_.AddScalar(place_.line, std::move(value), /*quoted=*/true);
    return true;
  }
  bool key(string_t& value) override { return string(value); }
  bool binary(binary_t&) override { return false; }  // of binary formats alone
  bool start_object(std::size_t) override { return Open(Document::Kind::kMap); }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override { return Open(Document::Kind::kList); }
  bool end_array() override { return Close(); }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 3, column 15: syntax error while …"
    const std::string_view text = error.what();
    const std::size_t found = text.find(": ");
    error_ = found == std::string_view::npos ? text : text.substr(found + 2);
    return false;
  }

  const std::string& error() const { return error_; }

 private:
  bool AddText(std::string text) {
    builder_.AddScalar(place_.line, std::move(text), /*quoted=*/false);
    return true;
  }
  bool Open(Document::Kind kind) {
    builder_.Open(place_.line, kind);
    return true;
  }
  bool Close() {
    builder_.Close();
    return true;
  }

  DocumentBuilder& builder_;
  const Place& place_;
  std::string error_;
};

}  // namespace

std::optional<DocumentBuilder::Refusal> ReadJson(std::string_view text, DocumentBuilder& builder) {
  Place place;
  JsonEvents events(&builder, &place);
  if (nlohmann::json::sax_parse(CountingIterator(text.data(), &place),
                                CountingIterator(text.data() + text.size(), &place), &events)) {
    return std::nullopt;
  }
  return DocumentBuilder::Refusal{place.line, events.error()};
}

}  // namespace weightinit::client
