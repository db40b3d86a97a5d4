#include "lib/plan/resolve_method.h"

#include <cmath>
#include <limits>

#include "lib/base/special_functions.h"
#include "lib/base/text.h"
#include "lib/plan/distribution.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

bool FiniteInBinary32(double value) { return std::isfinite(static_cast<float>(value)); }

// +0 for either zero: the sign of a zero parameter never reaches a weight.
double PlusZero(double value) { return value == 0 ? 0.0 : value; }

// Resolves one method; a member per step, each method's formula in its own Resolve.
class MethodResolver {
 public:
  MethodResolver(const MethodInput& input, std::string_view method)
      : input_(input), field_(input.init_field + "." + std::string(method)), method_(method) {}

  absl::Status operator()(const Zeros&) { return Fill(0.0, "always 0"); }
  absl::Status operator()(const Ones&) { return Fill(1.0, "always 1"); }
  absl::Status operator()(const Constant& m) {
    if (!m.value.has_value()) return Error("value", "missing; allowed: a number");
    if (const auto status = CheckScale(); !status.ok()) return status;
    const double value = *m.value * Scale();
    for (const double number : {*m.value, value}) {
      if (const auto status = CheckFinite("value", number); !status.ok()) return status;
    }
    return Fill(value, "value = " + FormatNumber(value));
  }
  absl::Status operator()(const Eye& m);
  absl::Status operator()(const Dirac& m);
  absl::Status operator()(const Uniform& m);
  absl::Status operator()(const Normal& m);
  absl::Status operator()(const TruncatedNormal& m);
  absl::Status operator()(const XavierUniform& m) { return Xavier(m, true); }
  absl::Status operator()(const XavierNormal& m) { return Xavier(m, false); }
  absl::Status operator()(const KaimingUniform& m) { return Kaiming(m, true); }
  absl::Status operator()(const KaimingNormal& m) { return Kaiming(m, false); }
  absl::Status operator()(const LecunUniform&) {
    return ScaledVariance({1.0, FanMode::kFanIn, VarianceScalingDistribution::kUniform});
  }
  absl::Status operator()(const LecunNormal&) {
    return ScaledVariance({1.0, FanMode::kFanIn, VarianceScalingDistribution::kTruncatedNormal});
  }
  absl::Status operator()(const VarianceScaling& m) {
    if (const auto status = CheckNotNegative("scale", m.scale); !status.ok()) return status;
    return ScaledVariance(m);
  }
  absl::Status operator()(const Orthogonal& m);
  absl::Status operator()(const DeltaOrthogonal& m);
  absl::Status operator()(const Sparse& m);

  ResolvedMethod Take() { return std::move(result_); }

 private:
  absl::Status Error(std::string_view parameter, std::string_view description) const {
    return FieldError(field_ + "." + std::string(parameter), description);
  }
  absl::Status ShapeError(std::string_view description) const {
    return FieldError(input_.shape_field, ToString(input_.shape) + " " + std::string(description));
  }
  absl::Status CheckFinite(std::string_view parameter, double value) const {
    // Nothing but a filled float64 tensor holds more than binary32 does.
    const bool fits = input_.dtype == DType::kFloat64 || !IsFloatingPoint(input_.dtype)
                          ? std::isfinite(value)
                          : FiniteInBinary32(value);
    if (fits) return absl::OkStatus();
    return Error(parameter, FormatNumber(value) + " is not finite in " +
                                (std::isfinite(value) ? "FLOAT32" : "any dtype") +
                                "; allowed: a finite number");
  }
  absl::Status CheckNotNegative(std::string_view parameter, double value) const {
    if (value >= 0 && FiniteInBinary32(value)) return absl::OkStatus();
    return Error(parameter, FormatNumber(value) + "; allowed: a finite number ≥ 0");
  }
  // zeros, ones, eye and dirac refuse a scale, since it could mean two things or nothing.
  absl::Status CheckScale() const {
    if (!input_.scale.has_value()) return absl::OkStatus();
    if (method_ == "zeros" || method_ == "ones" || method_ == "eye" || method_ == "dirac") {
      return FieldError(input_.scale_field,
                        std::string(method_) + " takes no scale; allowed: none");
    }
    if (*input_.scale >= 0 && std::isfinite(*input_.scale)) return absl::OkStatus();
    return FieldError(input_.scale_field,
                      FormatNumber(*input_.scale) + "; allowed: a finite number ≥ 0");
  }
  double Scale() const { return input_.scale.value_or(1.0); }
  std::string ScaleText() const {
    return input_.scale.has_value() ? "·scale(" + FormatNumber(*input_.scale) + ")" : "";
  }

  absl::Status RequireFloating() const {
    if (IsFloatingPoint(input_.dtype)) return absl::OkStatus();
    return FieldError(
        input_.dtype_field,
        std::string(Name(input_.dtype)) + " cannot hold " + std::string(method_) +
            "; allowed: a floating-point dtype (integers take zeros, ones and constant)");
  }

  absl::Status Fill(double value, std::string why);
  absl::Status SetUniform(double low, double high);
  absl::Status SetNormal(double mean, double std);
  absl::Status ComputeFansInto();
  absl::StatusOr<double> Fan(FanMode mode);
  absl::Status ScaledVariance(const VarianceScaling& m);
  absl::Status CheckReach(const TruncatedNormal& m, double a, double b) const;
  absl::StatusOr<double> StdBeforeTruncation(const TruncatedNormal& m, double asked) const;
  template <typename Method>
  absl::Status Xavier(const Method& m, bool uniform);
  template <typename Method>
  absl::Status Kaiming(const Method& m, bool uniform);
  absl::Status SetByStd(double std, bool uniform);
  absl::Status SetByJaxVariance(double variance, VarianceScalingDistribution distribution);
  // The variance of a std that jax gives as a scale: gain(RELU)² is 2.
  absl::Status SetByJaxGain(double gain, double fan, bool uniform) {
    return SetByJaxVariance(
        static_cast<double>(static_cast<float>(gain * gain)) / fan,
        uniform ? VarianceScalingDistribution::kUniform : VarianceScalingDistribution::kNormal);
  }

  const MethodInput& input_;
  std::string field_;
  std::string_view method_;
  ResolvedMethod result_;
};

absl::Status MethodResolver::Fill(double value, std::string why) {
  if (const auto status = CheckScale(); !status.ok()) return status;
  if (!IsFloatingPoint(input_.dtype)) {
    const double low = input_.dtype == DType::kInt64   ? -0x1p63
                       : input_.dtype == DType::kInt32 ? -0x1p31
                                                       : 0.0;
    const double end = input_.dtype == DType::kInt64   ? 0x1p63
                       : input_.dtype == DType::kInt32 ? 0x1p31
                       : input_.dtype == DType::kUInt8 ? 256.0
                                                       : 2.0;
    if (!(value >= low && value < end) || std::trunc(value) != value) {
      return Error("value", FormatNumber(value) + " cannot be held exactly by " +
                                std::string(Name(input_.dtype)) + "; allowed: its whole numbers");
    }
    value = PlusZero(value);
  }
  result_.distribution = FilledWith{value};
  result_.why = std::move(why);
  return absl::OkStatus();
}

absl::Status MethodResolver::SetUniform(double low, double high) {
  if (!FiniteInBinary32(low) || !FiniteInBinary32(high))
    return FieldError(field_, "bounds " + FormatNumber(low) + " and " + FormatNumber(high) +
                                  " are not finite in FLOAT32");
  result_.distribution = UniformOn{PlusZero(low), PlusZero(high)};
  return absl::OkStatus();
}

absl::Status MethodResolver::SetNormal(double mean, double std) {
  if (!FiniteInBinary32(std::abs(mean) + kReachableSigmas * std)) {
    return FieldError(field_,
                      "|mean| + 8·std = " + FormatNumber(std::abs(mean) + kReachableSigmas * std) +
                          " is not finite in FLOAT32");
  }
  result_.distribution = NormalWith{PlusZero(mean), PlusZero(std)};
  return absl::OkStatus();
}

absl::Status MethodResolver::operator()(const Eye& m) {
  if (const auto status = CheckScale(); !status.ok()) return status;
  if (const auto status = RequireFloating(); !status.ok()) return status;
  if (const auto status = CheckNotNegative("gain", m.gain); !status.ok()) return status;
  if (input_.empty) return absl::OkStatus();
  if (input_.shape.size() != 2) return ShapeError("has not two dimensions; allowed for eye: two");
  result_.distribution = DiagonalOf{PlusZero(m.gain)};
  result_.why = "gain on the diagonal";
  return absl::OkStatus();
}

absl::Status MethodResolver::operator()(const Dirac& m) {
  if (const auto status = CheckScale(); !status.ok()) return status;
  if (const auto status = RequireFloating(); !status.ok()) return status;
  if (m.groups < 1)
    return Error("groups", std::to_string(m.groups) + "; allowed: a whole number ≥ 1");
  if (input_.empty) return absl::OkStatus();
  if (input_.shape.size() < 3 || input_.shape.size() > 5)
    return ShapeError("has not 3 to 5 dimensions; allowed for dirac: 3, 4 or 5");
  if (input_.shape[0] % m.groups != 0) {
    return Error("groups", std::to_string(m.groups) + " does not divide dimension 0 of " +
                               ToString(input_.shape) + "; allowed: a divisor");
  }
  result_.distribution = DiracDelta{m.groups};
  result_.why = "1 in the centre tap";
  return absl::OkStatus();
}

absl::Status MethodResolver::operator()(const Uniform& m) {
  if (const auto status = CheckScale(); !status.ok()) return status;
  if (const auto status = RequireFloating(); !status.ok()) return status;
  for (const auto& [name, value] : {std::pair{"low", m.low}, std::pair{"high", m.high}}) {
    if (!FiniteInBinary32(value))
      return Error(name, FormatNumber(value) + "; allowed: a finite number");
  }
  if (m.low > m.high)
    return Error("low", FormatNumber(m.low) + " is above high = " + FormatNumber(m.high) +
                            "; allowed: low ≤ high");
  result_.why = "as given" + ScaleText();
  return SetUniform(m.low * Scale(), m.high * Scale());
}

absl::Status MethodResolver::operator()(const Normal& m) {
  if (const auto status = CheckScale(); !status.ok()) return status;
  if (const auto status = RequireFloating(); !status.ok()) return status;
  if (!FiniteInBinary32(m.mean))
    return Error("mean", FormatNumber(m.mean) + "; allowed: a finite number");
  if (const auto status = CheckNotNegative("std", m.std); !status.ok()) return status;
  result_.why = "as given" + ScaleText();
  return SetNormal(m.mean, m.std * Scale());
}

// The std of the normal whose truncation has the asked std.
absl::StatusOr<double> MethodResolver::StdBeforeTruncation(const TruncatedNormal& m,
                                                           double asked) const {
  if (m.bounds == TruncationBounds::kSigma) {
    const double truncated = input_.truncations.Of(m.low, m.high).std;
    if (!(truncated > 0))
      return Error("correct_variance",
                   "bounds of no width have no variance to correct; allowed: low < high");
    return asked / truncated;
  }
  // With ABSOLUTE bounds the truncation depends on the answer; the result's std grows with it, up
  // to the uniform's.
  const double limit = (m.high - m.low) / std::sqrt(12.0);
  if (!(asked < limit)) {
    return Error("std", FormatNumber(asked) + " cannot be had between " + FormatNumber(m.low) +
                            " and " + FormatNumber(m.high) +
                            " with correct_variance; allowed: a number below " +
                            FormatNumber(limit));
  }
  const auto result_std = [&](double std) {
    return std * TruncatedStd((m.low - m.mean) / std, (m.high - m.mean) / std);
  };
  double below = 0, above = asked;
  while (result_std(above) < asked) {
    below = above;
    above *= 2;
    if (!FiniteInBinary32(kReachableSigmas * above))
      return Error("std",
                   FormatNumber(asked) +
                       " cannot be had between these bounds with correct_variance; allowed: less");
  }
  for (int i = 0; i < 200; ++i) {
    const double middle = below + (above - below) / 2;
    if (middle == below || middle == above) break;
    (result_std(middle) < asked ? below : above) = middle;
  }
  return above;
}

// Bounds of z that no value lies between.
absl::Status MethodResolver::CheckReach(const TruncatedNormal& m, double a, double b) const {
  if (a > kReachableSigmas) {
    return Error("low", FormatNumber(m.low) + " is " + FormatNumber(a) +
                            " standard deviations above mean; allowed: at most 8");
  }
  if (b < -kReachableSigmas) {
    return Error("high", FormatNumber(m.high) + " is " + FormatNumber(-b) +
                             " standard deviations below mean; allowed: at most 8");
  }
  return absl::OkStatus();
}

absl::Status MethodResolver::operator()(const TruncatedNormal& m) {
  if (const auto status = CheckScale(); !status.ok()) return status;
  if (const auto status = RequireFloating(); !status.ok()) return status;
  const bool absolute = m.bounds == TruncationBounds::kAbsolute;
  if (!FiniteInBinary32(m.mean))
    return Error("mean", FormatNumber(m.mean) + "; allowed: a finite number");
  if (const auto status = CheckNotNegative("std", m.std); !status.ok()) return status;
  if (std::isnan(m.low)) return Error("low", "nan; allowed: a number, or -inf");
  if (std::isnan(m.high)) return Error("high", "nan; allowed: a number, or inf");
  if (m.low > m.high)
    return Error("low", FormatNumber(m.low) + " is above high = " + FormatNumber(m.high) +
                            "; allowed: low ≤ high");
  if (absolute) {
    for (const auto& [name, bound] : {std::pair{"low", m.low}, std::pair{"high", m.high}}) {
      if (std::isfinite(bound) && !FiniteInBinary32(bound))
        return Error(name, FormatNumber(bound) +
                               " is not finite in FLOAT32; allowed: a number that is, or an "
                               "infinity");
    }
  }
  double std = m.std * Scale();
  if (std == 0 && absolute && (m.mean < m.low || m.mean > m.high)) {
    return Error("mean",
                 FormatNumber(m.mean) +
                     " is outside the bounds and std is 0; allowed: a mean between low and high");
  }
  // SIGMA bounds that leave nothing are refused before anything is computed from them.
  if (!absolute) {
    if (const auto status = CheckReach(m, m.low, m.high); !status.ok()) return status;
  }
  if (m.correct_variance && std > 0) {
    auto corrected = StdBeforeTruncation(m, std);
    if (!corrected.ok()) return corrected.status();
    std = *corrected;
  }
  // ABSOLUTE bounds stay where they are; SIGMA bounds follow std.
  double a = m.low, b = m.high;
  if (absolute) {
    a = std > 0 ? (m.low - m.mean) / std : -std::numeric_limits<double>::infinity();
    b = std > 0 ? (m.high - m.mean) / std : std::numeric_limits<double>::infinity();
  }
  if (const auto status = CheckReach(m, a, b); !status.ok()) return status;
  if (!FiniteInBinary32(std::abs(m.mean) + kReachableSigmas * std)) {
    return FieldError(
        field_, "|mean| + 8·std = " + FormatNumber(std::abs(m.mean) + kReachableSigmas * std) +
                    " is not finite in FLOAT32");
  }
  constexpr double kFarSigmas = 6;
  if (std > 0 && a <= -kFarSigmas && b >= kFarSigmas) {
    result_.warnings.push_back("the bounds are " + FormatNumber(a) + " and " + FormatNumber(b) +
                               " standard deviations away: this truncated_normal is not truncated" +
                               (absolute ? "; bounds=SIGMA cuts at multiples of std" : ""));
  }
  TruncatedNormalWith with{PlusZero(m.mean), PlusZero(std), PlusZero(a), PlusZero(b), std::nullopt};
  if (absolute) with.clamp = std::pair{PlusZero(m.low), PlusZero(m.high)};
  result_.distribution = with;
  result_.why = "std = " + FormatNumber(std) + (m.correct_variance ? " before truncation" : "") +
                ScaleText() + "; cut at " + FormatNumber(a) + "σ and " + FormatNumber(b) + "σ";
  return absl::OkStatus();
}

absl::Status MethodResolver::ComputeFansInto() {
  auto fans = ComputeFans(input_.shape, input_.geometry, input_.shape_field, input_.fan_field);
  if (!fans.ok()) return fans.status();
  result_.fans = *fans;
  return absl::OkStatus();
}

// The fan that `mode` names, > 0.
absl::StatusOr<double> MethodResolver::Fan(FanMode mode) {
  if (const auto status = ComputeFansInto(); !status.ok()) return status;
  const Fans& fans = *result_.fans;
  const bool needs_in = mode != FanMode::kFanOut, needs_out = mode != FanMode::kFanIn;
  if (needs_in && !(fans.in > 0))
    return FieldError(input_.fan_field + ".fan_in", FormatNumber(fans.in) + ", which " +
                                                        std::string(method_) +
                                                        " divides by; allowed: a number > 0");
  if (needs_out && !(fans.out > 0))
    return FieldError(input_.fan_field + ".fan_out", FormatNumber(fans.out) + ", which " +
                                                         std::string(method_) +
                                                         " divides by; allowed: a number > 0");
  switch (mode) {
    case FanMode::kFanIn:
      return fans.in;
    case FanMode::kFanOut:
      return fans.out;
    case FanMode::kFanAvg:
      return (fans.in + fans.out) / 2.0;
    case FanMode::kFanGeoAvg:
      return std::sqrt(fans.in * fans.out);
  }
  return Error("mode", "unknown; allowed: FAN_IN, FAN_OUT, FAN_AVG, FAN_GEO_AVG");
}

// U(±√3·std) or N(0, std²): torch's order of operations.
absl::Status MethodResolver::SetByStd(double std, bool uniform) {
  if (!uniform) return SetNormal(0.0, std * Scale());
  const double bound = std::sqrt(3.0) * std * Scale();
  return SetUniform(-bound, bound);
}

// jax.nn.initializers.variance_scaling: everything after the division in binary32.
absl::Status MethodResolver::SetByJaxVariance(double variance,
                                              VarianceScalingDistribution distribution) {
  const auto variance_f32 = static_cast<float>(variance);
  if (distribution == VarianceScalingDistribution::kUniform) {
    const double bound = double{std::sqrt(3.0f * variance_f32)} * Scale();
    return SetUniform(-bound, bound);
  }
  const float std = std::sqrt(variance_f32);
  if (distribution == VarianceScalingDistribution::kNormal)
    return SetNormal(0.0, double{std} * Scale());
  constexpr float kStdOfTruncated = 0.87962566103423978f;
  constexpr double kSigmas = 2;
  const double before = double{std / kStdOfTruncated} * Scale();
  if (!FiniteInBinary32(kReachableSigmas * before))
    return FieldError(field_, "std = " + FormatNumber(before) + " is not finite in FLOAT32");
  result_.distribution =
      TruncatedNormalWith{0.0, PlusZero(before), -kSigmas, kSigmas, std::nullopt};
  return absl::OkStatus();
}

template <typename Method>
absl::Status MethodResolver::Xavier(const Method& m, bool uniform) {
  if (const auto status = CheckScale(); !status.ok()) return status;
  if (const auto status = RequireFloating(); !status.ok()) return status;
  if (m.gain.has_value() && m.nonlinearity.has_value()) {
    return Error("gain", FormatNumber(*m.gain) + " is given together with nonlinearity = " +
                             std::string(Name(*m.nonlinearity)) + "; allowed: one of the two");
  }
  if (m.gain.has_value()) {
    if (const auto status = CheckNotNegative("gain", *m.gain); !status.ok()) return status;
  }
  if (m.negative_slope.has_value()) {
    if (!std::isfinite(*m.negative_slope))
      return Error("negative_slope",
                   FormatNumber(*m.negative_slope) + "; allowed: a finite number");
    if (m.nonlinearity != Nonlinearity::kLeakyRelu)
      result_.warnings.emplace_back("negative_slope is given but LEAKY_RELU alone uses it");
  }
  if (input_.empty) return absl::OkStatus();
  constexpr double kTorchNegativeSlope = 0.01;
  const double gain = m.nonlinearity.has_value()
                          ? Gain(*m.nonlinearity, m.negative_slope.value_or(kTorchNegativeSlope))
                          : m.gain.value_or(1.0);
  if (auto fan = Fan(FanMode::kFanAvg); !fan.ok()) return fan.status();
  const Fans& fans = *result_.fans;
  const double std = gain * std::sqrt(2.0 / (fans.in + fans.out));
  result_.gain = gain;
  result_.why = "fan_in = " + FormatNumber(fans.in) + ", fan_out = " + FormatNumber(fans.out) +
                "; gain" +
                (m.nonlinearity.has_value() ? "(" + std::string(Name(*m.nonlinearity)) + ")" : "") +
                " = " + FormatNumber(gain) + "; std = gain·√(2/(fan_in + fan_out))" + ScaleText() +
                " = " + FormatNumber(std * Scale());
  if (input_.as_jax) return SetByJaxGain(gain, (fans.in + fans.out) / 2.0, uniform);
  return SetByStd(std, uniform);
}

template <typename Method>
absl::Status MethodResolver::Kaiming(const Method& m, bool uniform) {
  if (const auto status = CheckScale(); !status.ok()) return status;
  if (const auto status = RequireFloating(); !status.ok()) return status;
  if (m.mode != FanMode::kFanIn && m.mode != FanMode::kFanOut) {
    return Error("mode", std::string(Name(m.mode)) +
                             "; allowed: FAN_IN, FAN_OUT (variance_scaling has the others)");
  }
  if (m.negative_slope.has_value()) {
    if (!std::isfinite(*m.negative_slope))
      return Error("negative_slope",
                   FormatNumber(*m.negative_slope) + "; allowed: a finite number");
    if (m.nonlinearity != Nonlinearity::kLeakyRelu)
      result_.warnings.emplace_back("negative_slope is given but LEAKY_RELU alone uses it");
  }
  if (input_.empty) return absl::OkStatus();
  const double gain = Gain(m.nonlinearity, m.negative_slope.value_or(0.0));
  auto fan = Fan(m.mode);
  if (!fan.ok()) return fan.status();
  const double std = gain / std::sqrt(*fan);
  const std::string fan_name = ToLower(Name(m.mode));
  result_.gain = gain;
  result_.why = fan_name + " = " + FormatNumber(*fan) + "; gain(" +
                std::string(Name(m.nonlinearity)) + ") = " + FormatNumber(gain) + "; std = gain/√" +
                fan_name + ScaleText() + " = " + FormatNumber(std * Scale());
  if (input_.as_jax) return SetByJaxGain(gain, *fan, uniform);
  return SetByStd(std, uniform);
}

absl::Status MethodResolver::ScaledVariance(const VarianceScaling& m) {
  if (const auto status = CheckScale(); !status.ok()) return status;
  if (const auto status = RequireFloating(); !status.ok()) return status;
  if (input_.empty) return absl::OkStatus();
  auto fan = Fan(m.mode);
  if (!fan.ok()) return fan.status();
  const double variance = m.scale / *fan;
  const std::string fan_name = ToLower(Name(m.mode));
  result_.why = fan_name + " = " + FormatNumber(*fan) + "; variance = " + FormatNumber(m.scale) +
                "/" + fan_name + " = " + FormatNumber(variance) + ScaleText();
  if (input_.as_jax) return SetByJaxVariance(variance, m.distribution);
  switch (m.distribution) {
    case VarianceScalingDistribution::kUniform: {
      const double bound = std::sqrt(3.0 * variance) * Scale();
      return SetUniform(-bound, bound);
    }
    case VarianceScalingDistribution::kNormal:
      return SetNormal(0.0, std::sqrt(variance) * Scale());
    case VarianceScalingDistribution::kTruncatedNormal: {
      constexpr double kSigmas = 2;
      const double std =
          std::sqrt(variance) / input_.truncations.Of(-kSigmas, kSigmas).std * Scale();
      if (!FiniteInBinary32(kReachableSigmas * std))
        return FieldError(field_, "std = " + FormatNumber(std) + " is not finite in FLOAT32");
      result_.distribution =
          TruncatedNormalWith{0.0, PlusZero(std), -kSigmas, kSigmas, std::nullopt};
      return absl::OkStatus();
    }
  }
  return Error("distribution", "unknown; allowed: TRUNCATED_NORMAL, NORMAL, UNIFORM");
}

absl::Status MethodResolver::operator()(const Orthogonal& m) {
  if (const auto status = CheckScale(); !status.ok()) return status;
  if (const auto status = RequireFloating(); !status.ok()) return status;
  if (const auto status = CheckNotNegative("gain", m.gain); !status.ok()) return status;
  if (input_.empty) return absl::OkStatus();
  if (input_.shape.size() < 2)
    return ShapeError("has fewer than two dimensions; allowed for orthogonal: two or more");
  const std::int64_t rows = input_.shape[0];
  std::int64_t cols = 1;
  for (std::size_t i = 1; i < input_.shape.size(); ++i) cols *= input_.shape[i];
  const double gain = m.gain * Scale();
  if (!FiniteInBinary32(gain))
    return Error("gain", FormatNumber(gain) + "; allowed: a finite number ≥ 0");
  result_.gain = gain;
  result_.distribution = OrthogonalMatrix{PlusZero(gain), rows, cols};
  result_.why = "Q of a " + std::to_string(rows) + "×" + std::to_string(cols) +
                " Gaussian matrix; " + (rows >= cols ? "orthonormal columns" : "orthonormal rows");
  return absl::OkStatus();
}

absl::Status MethodResolver::operator()(const DeltaOrthogonal& m) {
  if (const auto status = CheckScale(); !status.ok()) return status;
  if (const auto status = RequireFloating(); !status.ok()) return status;
  if (const auto status = CheckNotNegative("gain", m.gain); !status.ok()) return status;
  if (input_.empty) return absl::OkStatus();
  if (input_.shape.size() < 3 || input_.shape.size() > 5)
    return ShapeError("has not 3 to 5 dimensions; allowed for delta_orthogonal: 3, 4 or 5");
  if (input_.shape[0] < input_.shape[1])
    return ShapeError(
        "has fewer outputs than inputs; allowed for delta_orthogonal: dimension 0 ≥ dimension 1");
  const double gain = m.gain * Scale();
  if (!FiniteInBinary32(gain))
    return Error("gain", FormatNumber(gain) + "; allowed: a finite number ≥ 0");
  result_.gain = gain;
  result_.distribution = DeltaOrthogonalKernel{PlusZero(gain), input_.shape[0], input_.shape[1]};
  result_.why = "Q of a " + std::to_string(input_.shape[0]) + "×" +
                std::to_string(input_.shape[1]) + " Gaussian matrix in the centre tap";
  return absl::OkStatus();
}

absl::Status MethodResolver::operator()(const Sparse& m) {
  if (const auto status = CheckScale(); !status.ok()) return status;
  if (const auto status = RequireFloating(); !status.ok()) return status;
  if (!m.sparsity.has_value()) return Error("sparsity", "missing; allowed: a number in [0, 1]");
  if (!(*m.sparsity >= 0 && *m.sparsity <= 1))
    return Error("sparsity", FormatNumber(*m.sparsity) + " is outside [0, 1]");
  if (const auto status = CheckNotNegative("std", m.std); !status.ok()) return status;
  if (input_.empty) return absl::OkStatus();
  if (input_.shape.size() != 2)
    return ShapeError("has not two dimensions; allowed for sparse: two");
  const std::int64_t rows = input_.shape[0], cols = input_.shape[1];
  const auto zeros = static_cast<std::int64_t>(std::ceil(*m.sparsity * static_cast<double>(rows)));
  const double std = m.std * Scale();
  if (const auto status = SetNormal(0.0, std); !status.ok()) return status;
  result_.distribution = SparseNormal{PlusZero(std), rows, cols, std::min(zeros, rows)};
  result_.why = "ceil(" + FormatNumber(*m.sparsity) + "·" + std::to_string(rows) +
                ") = " + std::to_string(std::min(zeros, rows)) + " zeros per column" + ScaleText();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ResolvedMethod> ResolveMethod(const Initializer& init, const MethodInput& input) {
  MethodResolver resolver(input, MethodName(init));
  const absl::Status status = std::visit(resolver, init);
  if (!status.ok()) return status;
  return resolver.Take();
}

}  // namespace weightinit
