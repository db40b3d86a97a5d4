// What the conversion's sources share. Not for users.
#ifndef WEIGHTINIT_PROTO_CONVERT_INTERNAL_H_
#define WEIGHTINIT_PROTO_CONVERT_INTERNAL_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "weightinit/status.h"

namespace weightinit::proto {

// Reads the fields of one message; the first that has no counterpart makes the whole read fail.
//
//   Reader read(field);
//   spec.dtype = read.Optional(FromProto(message.dtype(), read.Path("dtype")));
//   return read.Result(std::move(spec));
class Reader {
 public:
  explicit Reader(std::string_view field) : field_(field) {}

  std::string Path(std::string_view child) const {
    std::string path(field_);
    if (!path.empty()) path += '.';
    return path.append(child);
  }

  // The value read, or a default after a failure.
  template <typename T>
  T Value(absl::StatusOr<T> value) {
    if (value.ok()) return *std::move(value);
    Fail(value.status());
    return T();
  }

  // The value that an enum field names; `fallback` if it is unspecified. Enums of the API and of
  // the library have the same numbers (tests/unit/convert proves it name by name).
  template <typename T, typename ProtoEnum>
  T Enum(ProtoEnum value, bool is_valid, std::string_view child, T fallback) {
    return OptionalEnum<T>(value, is_valid, child).value_or(fallback);
  }

  template <typename T, typename ProtoEnum>
  std::optional<T> OptionalEnum(ProtoEnum value, bool is_valid, std::string_view child) {
    if (value == 0) return std::nullopt;
    if (is_valid) return static_cast<T>(value);
    Fail(FieldError(Path(child), "unknown value " + std::to_string(static_cast<int>(value))));
    return std::nullopt;
  }

  void Fail(const absl::Status& status) {
    if (status_.ok()) status_ = status;
  }

  template <typename T>
  absl::StatusOr<T> Result(T value) const {
    if (!status_.ok()) return status_;
    return value;
  }

 private:
  std::string field_;
  absl::Status status_;
};

}  // namespace weightinit::proto

#endif  // WEIGHTINIT_PROTO_CONVERT_INTERNAL_H_
