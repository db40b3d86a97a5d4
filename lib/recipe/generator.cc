#include "weightinit/generator.h"

#include <array>
#include <limits>
#include <span>
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
// By what they do, on x86-64.
constexpr std::pair<Variant, std::string_view> kVariantAliases[] = {
    {Variant::kAvx2, "FUSED"},
    {Variant::kAvx2NoFma, "UNFUSED"},
    {Variant::kDefault, "DEFAULT_CAPABILITY"}};

using Layout = JaxThreefry::Layout;
constexpr std::pair<Layout, std::string_view> kLayouts[] = {
    {Layout::kPartitionable, "PARTITIONABLE"}, {Layout::kLegacy, "LEGACY"}};

// One "name=value".
struct Parameter {
  std::string_view text;
  std::string name;  // in lower case; empty without a '='
  std::string_view value;
  std::string field;  // where its value stands
};

Parameter ParameterOf(std::string_view text, std::string_view field) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return {text, "", "", std::string(field)};
  const std::string name = ToLower(Strip(text.substr(0, equals)));
  return {text, name, Strip(text.substr(equals + 1)), std::string(field) + "." + name};
}

absl::Status Read(const Parameter& parameter, std::string_view field, PhiloxV1&) {
  return FieldError(field, Quote(parameter.text) +
                               ", but philox_v1 has no parameters; allowed: "
                               "none");
}

absl::Status Read(const Parameter& parameter, std::string_view field, TorchCpu& torch) {
  if (parameter.name == "variant") {
    auto variant = ParseTorchVariant(parameter.value, parameter.field);
    if (variant.ok()) torch.variant = *variant;
    return variant.status();
  }
  if (parameter.name == "torch_version") {
    torch.torch_version = parameter.value;
    return ParseTorchVersion(parameter.value, parameter.field).status();
  }
  return FieldError(field, Quote(parameter.text) +
                               " is no parameter of torch_cpu; allowed: variant=…, "
                               "torch_version=…");
}

absl::Status Read(const Parameter& parameter, std::string_view field, JaxThreefry& jax) {
  if (parameter.name == "layout") {
    auto layout = ParseJaxLayout(parameter.value, parameter.field);
    if (layout.ok()) jax.layout = *layout;
    return layout.status();
  }
  if (parameter.name == "fold_in") {
    const auto number = ReadInteger(parameter.value);
    if (!number.has_value() || *number < 0 || *number > std::numeric_limits<std::uint32_t>::max())
      return FieldError(parameter.field,
                        Quote(parameter.value) + "; allowed: a whole number from 0 to 2^32 - 1");
    jax.fold_in.push_back(static_cast<std::uint32_t>(*number));
    return absl::OkStatus();
  }
  return FieldError(field, Quote(parameter.text) +
                               " is no parameter of jax_threefry; allowed: layout=…, fold_in=…");
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
  using Names = std::span<const std::pair<Variant, std::string_view>>;
  for (const Names names : {Names(kVariants), Names(kVariantAliases)}) {
    for (const auto& [value, name] : names) {
      if (name == upper) return value;
    }
  }
  return FieldError(
      field, Quote(text) + " is not a variant; allowed: AVX2, AVX2_NOFMA, DEFAULT, DEFAULT_FMA");
}

std::string_view Name(JaxThreefry::Layout layout) {
  for (const auto& [value, name] : kLayouts) {
    if (value == layout) return name;
  }
  return "";
}

absl::StatusOr<JaxThreefry::Layout> ParseJaxLayout(std::string_view text, std::string_view field) {
  const std::string upper = ToUpper(text);
  for (const auto& [value, name] : kLayouts) {
    if (name == upper) return value;
  }
  return FieldError(field, Quote(text) + " is not a layout; allowed: PARTITIONABLE, LEGACY");
}

absl::StatusOr<TorchVersion> ParseTorchVersion(std::string_view text, std::string_view field) {
  if (text.empty()) return TorchVersion();
  const std::size_t dot = text.find('.');
  if (dot != std::string_view::npos) {
    // torch.__version__ has more: "2.1.0+cpu". Nothing of it changes bits.
    std::string_view rest = text.substr(dot + 1);
    rest = rest.substr(0, rest.find_first_of(".+"));
    const auto major = ReadInteger(text.substr(0, dot)), minor = ReadInteger(rest);
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
  Generator generator;
  if (name == kNames[1]) {
    generator = TorchCpu();
  } else if (name == kNames[2]) {
    generator = JaxThreefry();
  } else if (name != kNames[0]) {
    return FieldError(
        field, Quote(text) + " is not a generator; allowed: philox_v1, torch_cpu, jax_threefry");
  }
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const Parameter parameter = ParameterOf(Strip(rest.substr(0, comma)), field);
    const absl::Status status =
        std::visit([&](auto& kind) { return Read(parameter, field, kind); }, generator);
    if (!status.ok()) return status;
    rest = comma == std::string_view::npos ? "" : Strip(rest.substr(comma + 1));
  }
  return generator;
}

}  // namespace weightinit
