#include "weightinit/generator.h"

#include <array>
#include <utility>

#include "lib/base/text.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

constexpr std::array<std::string_view, std::variant_size_v<Generator>> kNames = {
    "philox_v1", "torch_cpu", "jax_threefry"};

using Variant = TorchCpu::Variant;
constexpr std::pair<Variant, std::string_view> kVariants[] = {
    {Variant::kAvx2, "AVX2"},
    {Variant::kAvx2NoFma, "AVX2_NOFMA"},
    {Variant::kDefault, "DEFAULT"},
    {Variant::kDefaultFma, "DEFAULT_FMA"}};

// One "parameter=value".
absl::Status ReadTorchParameter(std::string_view text, std::string_view field, TorchCpu& torch) {
  const std::size_t equals = text.find('=');
  const std::string name = ToLower(Strip(text.substr(0, equals)));
  const std::string_view value =
      equals == std::string_view::npos ? "" : Strip(text.substr(equals + 1));
  const std::string below = std::string(field) + "." + name;
  if (equals != std::string_view::npos && name == "variant") {
    auto variant = ParseTorchVariant(value, below);
    if (!variant.ok()) return variant.status();
    torch.variant = *variant;
    return absl::OkStatus();
  }
  if (equals != std::string_view::npos && name == "torch_version") {
    torch.torch_version = value;
    return ParseTorchVersion(value, below).status();
  }
  return FieldError(field, Quote(text) +
                               " is no parameter of torch_cpu; allowed: variant=…, "
                               "torch_version=…");
}

}  // namespace

std::string_view Name(const Generator& generator) { return kNames[generator.index()]; }

std::string_view Name(TorchCpu::Variant variant) {
  for (const auto& [value, name] : kVariants) {
    if (value == variant) return name;
  }
  return "";
}

absl::StatusOr<TorchCpu::Variant> ParseTorchVariant(std::string_view text, std::string_view field) {
  const std::string upper = ToUpper(text);
  for (const auto& [value, name] : kVariants) {
    if (name == upper) return value;
  }
  return FieldError(
      field, Quote(text) + " is not a variant; allowed: AVX2, AVX2_NOFMA, DEFAULT, DEFAULT_FMA");
}

absl::StatusOr<TorchVersion> ParseTorchVersion(std::string_view text, std::string_view field) {
  if (text.empty()) return TorchVersion();
  const std::size_t dot = text.find('.');
  if (dot != std::string_view::npos) {
    const auto major = ReadInteger(text.substr(0, dot)), minor = ReadInteger(text.substr(dot + 1));
    constexpr std::int64_t kLastMinor = 13;  // of both 1 and 2
    if (major.has_value() && minor.has_value() && (*major == 1 || *major == 2) && *minor >= 0 &&
        *minor <= kLastMinor)
      return TorchVersion{static_cast<int>(*major), static_cast<int>(*minor)};
  }
  return FieldError(field, Quote(text) +
                               " is not a version of torch that is known; allowed: 1.0 "
                               "to 1.13, 2.0 to 2.13");
}

absl::StatusOr<Generator> ParseGenerator(std::string_view text, std::string_view field) {
  const std::string_view whole = Strip(text);
  const std::size_t open = whole.find('(');
  const std::string name = ToLower(Strip(whole.substr(0, open)));
  std::string_view rest;
  if (open != std::string_view::npos) {
    if (whole.back() != ')') return FieldError(field, Quote(text) + " has no closing parenthesis");
    rest = Strip(whole.substr(open + 1, whole.size() - open - 2));
  }
  if (name != kNames[0] && name != kNames[1] && name != kNames[2]) {
    return FieldError(
        field, Quote(text) + " is not a generator; allowed: philox_v1, torch_cpu, jax_threefry");
  }
  if (!rest.empty() && name != kNames[1])
    return FieldError(field, name + " has no parameters; allowed: none");
  if (name == kNames[0]) return Generator(PhiloxV1{});
  if (name == kNames[2]) return Generator(JaxThreefry{});
  TorchCpu torch;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const absl::Status status = ReadTorchParameter(Strip(rest.substr(0, comma)), field, torch);
    if (!status.ok()) return status;
    rest = comma == std::string_view::npos ? "" : Strip(rest.substr(comma + 1));
  }
  return Generator(torch);
}

}  // namespace weightinit
