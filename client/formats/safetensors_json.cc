#include "client/formats/safetensors_json.h"

#include <limits>
#include <unordered_set>
#include <utility>

#include "nlohmann/json.hpp"

namespace weightinit::client {
namespace {

// Takes the parser's events. The form has four levels, so the place in it is a small enumeration;
// anything out of place is refused where it stands.
class Handler final : public nlohmann::json_sax<nlohmann::json> {
 public:
  RawSafetensorsHeader header;
  std::string error;

  bool null() override { return Misplaced("null"); }
  bool boolean(bool) override { return Misplaced("a boolean"); }
  bool number_integer(number_integer_t) override { return Misplaced("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return Misplaced("a number that is not whole or too large");
  }
  bool binary(binary_t&) override { return Misplaced("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) {
      return Misplaced("a number that is too large");
    }
    if (place_ == Place::kShape) {
      // More than any framework's dimensions; keeps a list from eating the memory.
      if (tensor_.shape.size() >= kMaxDims) return Fail("more than 64 dimensions");
      tensor_.shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (place_ != Place::kOffsets) return Misplaced("a number");
    if (num_offsets_ == 2) return Fail("data_offsets are two numbers");
    (num_offsets_++ == 0 ? tensor_.begin : tensor_.end) = static_cast<std::int64_t>(value);
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      header.metadata.emplace(key_, std::move(value));
      return true;
    }
    if (place_ != Place::kTensor || key_ != "dtype") return Misplaced("a text");
    tensor_.dtype = std::move(value);
    return true;
  }

  bool key(string_t& value) override {
    if (place_ == Place::kTop && !names_.insert(value).second) return Fail("a repeated tensor");
    if (place_ == Place::kMetadata && header.metadata.contains(value)) {
      return Fail("a repeated key in __metadata__");
    }
    if (place_ == Place::kTensor) {
      const int bit = value == "dtype" ? 1 : value == "shape" ? 2 : value == "data_offsets" ? 4 : 0;
      if (bit == 0) return Fail("unknown key '" + value + "' of a tensor");
      if ((seen_ & bit) != 0) return Fail("a repeated " + value);
      seen_ |= bit;
    }
    key_ = value;
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
      return true;
    }
    if (place_ != Place::kTop) return Misplaced("an object");
    place_ = key_ == "__metadata__" ? Place::kMetadata : Place::kTensor;
    tensor_ = {.name = key_, .dtype = {}, .shape = {}};
    seen_ = 0;
    num_offsets_ = 0;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor) {
      if (seen_ != 7) return Fail("a tensor has dtype, shape and data_offsets");
      header.tensors.push_back(std::move(tensor_));
    }
    place_ = place_ == Place::kTop ? Place::kStart : Place::kTop;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kTensor || key_ == "dtype") return Misplaced("a list");
    place_ = key_ == "shape" ? Place::kShape : Place::kOffsets;
    return true;
  }

  bool end_array() override {
    if (place_ == Place::kOffsets && num_offsets_ != 2) return Fail("data_offsets are two numbers");
    place_ = Place::kTensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    // The library's own words repeat parts of the file, whatever they hold.
    if (error.empty()) error = "broken JSON at byte " + std::to_string(position) + " of the header";
    return false;
  }

 private:
  static constexpr std::size_t kMaxDims = 64;
  enum class Place { kStart, kTop, kMetadata, kTensor, kShape, kOffsets };

  bool Fail(std::string what) {
    if (place_ == Place::kTensor || place_ == Place::kShape || place_ == Place::kOffsets) {
      what = "tensor " + nlohmann::json(tensor_.name).dump() + ": " + what;
    }
    error = std::move(what);
    return false;
  }
  bool Misplaced(std::string_view what) {
    return Fail(std::string(what) + " where it does not belong, after the key " +
                nlohmann::json(key_).dump());
  }

  Place place_ = Place::kStart;
  std::string key_;
  RawSafetensorsTensor tensor_;
  int seen_ = 0, num_offsets_ = 0;
  std::unordered_set<std::string> names_;
};

}  // namespace

absl::StatusOr<RawSafetensorsHeader> ParseSafetensorsJson(std::string_view json) {
  Handler handler;
  try {
    if (!nlohmann::json::sax_parse(json.begin(), json.end(), &handler)) {
      return absl::InvalidArgumentError(handler.error);
    }
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
  return std::move(handler.header);
}

}  // namespace weightinit::client
