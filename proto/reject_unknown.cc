#include "proto/reject_unknown.h"

#include <cstddef>
#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/unknown_field_set.h"
#include "weightinit/status.h"
#include "weightinit/v1/recipe.pb.h"

namespace weightinit::proto {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// A hostile request may hold millions of unknown fields; the search ends here.
constexpr std::size_t kMaxOffenders = 1000;

class Search {
 public:
  void Visit(const Message& message, const std::string& path) {
    const Reflection& reflection = *message.GetReflection();
    const auto& unknown = reflection.GetUnknownFields(message);
    for (int i = 0; i < unknown.field_count() && !Full(); ++i) {
      Add(path, "unknown field number " + std::to_string(unknown.field(i).number()));
    }
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (Full()) return;
      VisitField(message, reflection, *field, Child(path, *field));
    }
  }

  std::vector<FieldViolation> violations;

 private:
  // The library, a recipe's file and this search name a recipe's fields alike: from the recipe on.
  static std::string Child(const std::string& path, const FieldDescriptor& field) {
    const bool is_recipe = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
                           field.message_type() == v1::Recipe::descriptor();
    if (is_recipe) return path;
    return path.empty() ? field.name() : path + "." + field.name();
  }

  bool Full() const { return violations.size() >= kMaxOffenders; }

  void Add(const std::string& path, const std::string& description) {
    violations.push_back({path.empty() ? "request" : path, description});
  }

  void VisitField(const Message& message, const Reflection& reflection,
                  const FieldDescriptor& field, const std::string& path) {
    const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const bool is_enum = field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM;
    if (!is_message && !is_enum) return;
    if (IsMapOfPlainValues(field)) return;
    if (!field.is_repeated()) {
      if (is_message) {
        Visit(reflection.GetMessage(message, &field), path);
      } else {
        CheckEnum(field, reflection.GetEnumValue(message, &field), path);
      }
      return;
    }
    const int size = reflection.FieldSize(message, &field);
    for (int i = 0; i < size && !Full(); ++i) {
      if (is_message) {
        Visit(reflection.GetRepeatedMessage(message, &field, i), Element(path, i));
      } else {
        CheckEnum(field, reflection.GetRepeatedEnumValue(message, &field, i), Element(path, i));
      }
    }
  }

  // Which holds nothing unknown, and which reflection would copy into a list.
  static bool IsMapOfPlainValues(const FieldDescriptor& field) {
    if (!field.is_map()) return false;
    const auto type = field.message_type()->map_value()->cpp_type();
    return type != FieldDescriptor::CPPTYPE_MESSAGE && type != FieldDescriptor::CPPTYPE_ENUM;
  }

  void CheckEnum(const FieldDescriptor& field, int value, const std::string& path) {
    if (field.enum_type()->FindValueByNumber(value) == nullptr) {
      Add(path, "unknown value " + std::to_string(value));
    }
  }

  static std::string Element(const std::string& path, int i) {
    return path + "[" + std::to_string(i) + "]";
  }
};

}  // namespace

absl::Status RejectUnknown(const Message& message, std::string_view path) {
  Search search;
  search.Visit(message, std::string(path));
  if (search.violations.empty()) return absl::OkStatus();
  if (search.violations.size() == 1) {
    return FieldError(search.violations[0].field, search.violations[0].description);
  }
  return FieldErrors("the request has fields or values that this version does not know",
                     search.violations, absl::StatusCode::kInvalidArgument);
}

}  // namespace weightinit::proto
