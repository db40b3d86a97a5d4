#include "client/cli/message_json.h"

#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "client/cli/terminal.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/json_util.h"
#include "weightinit/plan.h"

namespace weightinit::client {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using Json = nlohmann::ordered_json;

void ToOurForm(const Descriptor& message, Json& json);

// protobuf's JSON has 64-bit integers as decimal text and bytes in base64.
void ToOurForm(const FieldDescriptor& field, Json& json) {
  if (field.message_type() != nullptr) {
    ToOurForm(*field.message_type(), json);
    return;
  }
  if (!json.is_string() || field.name() == "seed") return;
  const std::string text = json;
  std::uint64_t word = 0;
  std::int64_t number = 0;
  std::string bytes;
  switch (field.type()) {
    case FieldDescriptor::TYPE_FIXED64:  // digests and subsequences: nothing that one counts with
      if (absl::SimpleAtoi(text, &word)) json = DigestText(word);
      return;
    case FieldDescriptor::TYPE_UINT64:
      if (absl::SimpleAtoi(text, &word)) json = word;
      return;
    case FieldDescriptor::TYPE_INT64:
      if (absl::SimpleAtoi(text, &number)) json = number;
      return;
    case FieldDescriptor::TYPE_BYTES:
      if (absl::Base64Unescape(text, &bytes)) {
        json = ToHex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
      }
      return;
    default:
      return;
  }
}

void ToOurForm(const Descriptor& message, Json& json) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const auto found = json.find(field.json_name());
    if (found == json.end()) continue;
    if (field.is_map()) continue;  // of texts and doubles
    if (!field.is_repeated()) {
      ToOurForm(field, *found);
      continue;
    }
    for (Json& element : *found) ToOurForm(field, element);
  }
}

}  // namespace

Json MessageJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string text;
  // Fails for an Any or a Struct alone, which no message of ours holds.
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return {};
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  ToOurForm(*message.GetDescriptor(), json);
  return json;
}

std::string JsonText(const Json& json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace weightinit::client
