#include "lib/recipe/name_tables.h"

#include <algorithm>

namespace weightinit {
namespace {

constexpr std::array<Named<FanMode>, 4> kFanModes = {{
    {FanMode::kFanIn, "FAN_IN"},
    {FanMode::kFanOut, "FAN_OUT"},
    {FanMode::kFanAvg, "FAN_AVG"},
    {FanMode::kFanGeoAvg, "FAN_GEO_AVG"},
}};

constexpr std::array<Named<Nonlinearity>, 26> kNonlinearities = {{
    {Nonlinearity::kLinear, "LINEAR"},
    {Nonlinearity::kConv1d, "CONV1D"},
    {Nonlinearity::kConv2d, "CONV2D"},
    {Nonlinearity::kConv3d, "CONV3D"},
    {Nonlinearity::kConvTranspose1d, "CONV_TRANSPOSE1D"},
    {Nonlinearity::kConvTranspose2d, "CONV_TRANSPOSE2D"},
    {Nonlinearity::kConvTranspose3d, "CONV_TRANSPOSE3D"},
    {Nonlinearity::kSigmoid, "SIGMOID"},
    {Nonlinearity::kTanh, "TANH"},
    {Nonlinearity::kRelu, "RELU"},
    {Nonlinearity::kLeakyRelu, "LEAKY_RELU"},
    {Nonlinearity::kSelu, "SELU"},
    {Nonlinearity::kIdentity, "IDENTITY"},
    {Nonlinearity::kGelu, "GELU"},
    {Nonlinearity::kGeluTanh, "GELU_TANH"},
    {Nonlinearity::kQuickGelu, "QUICK_GELU"},
    {Nonlinearity::kSilu, "SILU"},
    {Nonlinearity::kMish, "MISH"},
    {Nonlinearity::kElu, "ELU"},
    {Nonlinearity::kSoftplus, "SOFTPLUS"},
    {Nonlinearity::kSoftsign, "SOFTSIGN"},
    {Nonlinearity::kHardswish, "HARDSWISH"},
    {Nonlinearity::kRelu6, "RELU6"},
    {Nonlinearity::kReluSquared, "RELU_SQUARED"},
    {Nonlinearity::kHardtanh, "HARDTANH"},
    {Nonlinearity::kSin, "SIN"},
}};

constexpr std::array<Named<TruncationBounds>, 2> kBounds = {{
    {TruncationBounds::kSigma, "SIGMA"},
    {TruncationBounds::kAbsolute, "ABSOLUTE"},
}};

constexpr std::array<Named<VarianceScalingDistribution>, 3> kDistributions = {{
    {VarianceScalingDistribution::kTruncatedNormal, "TRUNCATED_NORMAL"},
    {VarianceScalingDistribution::kNormal, "NORMAL"},
    {VarianceScalingDistribution::kUniform, "UNIFORM"},
}};

constexpr auto kAllNonlinearities = [] {
  std::array<Nonlinearity, kNonlinearities.size()> all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = kNonlinearities[i].value;
  return all;
}();

template <typename Enum>
std::string_view NameIn(std::span<const Named<Enum>> table, Enum value) {
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const Named<Enum>& row) { return row.value == value; });
  return found == table.end() ? "?" : found->name;
}

}  // namespace

std::span<const Named<FanMode>> NamesOf(FanMode) { return kFanModes; }
std::span<const Named<Nonlinearity>> NamesOf(Nonlinearity) { return kNonlinearities; }
std::span<const Named<TruncationBounds>> NamesOf(TruncationBounds) { return kBounds; }
std::span<const Named<VarianceScalingDistribution>> NamesOf(VarianceScalingDistribution) {
  return kDistributions;
}

std::string_view Name(FanMode mode) { return NameIn(NamesOf(mode), mode); }
std::string_view Name(Nonlinearity nonlinearity) {
  return NameIn(NamesOf(nonlinearity), nonlinearity);
}
std::string_view Name(TruncationBounds bounds) { return NameIn(NamesOf(bounds), bounds); }
std::string_view Name(VarianceScalingDistribution distribution) {
  return NameIn(NamesOf(distribution), distribution);
}
std::span<const Nonlinearity> AllNonlinearities() { return kAllNonlinearities; }

}  // namespace weightinit
