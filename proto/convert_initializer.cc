#include <optional>
#include <type_traits>
#include <utility>

#include "proto/convert_internal.h"
#include "proto/convert_recipe.h"

namespace weightinit::proto {
namespace {

// Parameters that are absent, or an unspecified enum, keep the default of the library's struct: the
// defaults stand in one place.
// ----------------------------------------------------------------------------

FanMode ModeFrom(v1::FanMode mode, FanMode fallback, Reader& read) {
  return read.Enum<FanMode>(mode, v1::FanMode_IsValid(mode), "mode", fallback);
}

template <typename Xavier, typename Message>
Xavier XavierFrom(const Message& message, Reader& read) {
  Xavier init;
  if (message.has_gain()) init.gain = message.gain();
  if (message.has_nonlinearity()) {
    init.nonlinearity = read.OptionalEnum<Nonlinearity>(
        message.nonlinearity(), v1::Nonlinearity_IsValid(message.nonlinearity()), "nonlinearity");
  }
  if (message.has_negative_slope()) init.negative_slope = message.negative_slope();
  return init;
}

template <typename Kaiming, typename Message>
Kaiming KaimingFrom(const Message& message, Reader& read) {
  Kaiming init;
  init.mode = ModeFrom(message.mode(), init.mode, read);
  init.nonlinearity = read.Enum<Nonlinearity>(message.nonlinearity(),
                                              v1::Nonlinearity_IsValid(message.nonlinearity()),
                                              "nonlinearity", init.nonlinearity);
  if (message.has_negative_slope()) init.negative_slope = message.negative_slope();
  return init;
}

Constant From(const v1::Constant& message, Reader&) {
  Constant init;
  if (message.has_value()) init.value = message.value();
  return init;
}

Eye From(const v1::Eye& message, Reader&) {
  Eye init;
  if (message.has_gain()) init.gain = message.gain();
  return init;
}

Dirac From(const v1::Dirac& message, Reader&) {
  Dirac init;
  if (message.has_groups()) init.groups = message.groups();
  return init;
}

Uniform From(const v1::Uniform& message, Reader&) {
  Uniform init;
  init.low = message.low();
  if (message.has_high()) init.high = message.high();
  return init;
}

Normal From(const v1::Normal& message, Reader&) {
  Normal init;
  init.mean = message.mean();
  if (message.has_std()) init.std = message.std();
  return init;
}

TruncatedNormal From(const v1::TruncatedNormal& message, Reader& read) {
  TruncatedNormal init;
  init.mean = message.mean();
  if (message.has_std()) init.std = message.std();
  if (message.has_low()) init.low = message.low();
  if (message.has_high()) init.high = message.high();
  init.bounds = read.Enum<TruncationBounds>(message.bounds(),
                                            v1::TruncatedNormal::Bounds_IsValid(message.bounds()),
                                            "bounds", init.bounds);
  init.correct_variance = message.correct_variance();
  return init;
}

VarianceScaling From(const v1::VarianceScaling& message, Reader& read) {
  VarianceScaling init;
  if (message.has_scale()) init.scale = message.scale();
  init.mode = ModeFrom(message.mode(), init.mode, read);
  init.distribution = read.Enum<VarianceScalingDistribution>(
      message.distribution(), v1::VarianceScaling::Distribution_IsValid(message.distribution()),
      "distribution", init.distribution);
  return init;
}

template <typename T, typename Message>
T WithGainFrom(const Message& message) {
  T init;
  if (message.has_gain()) init.gain = message.gain();
  return init;
}

Sparse From(const v1::Sparse& message, Reader&) {
  Sparse init;
  if (message.has_sparsity()) init.sparsity = message.sparsity();
  if (message.has_std()) init.std = message.std();
  return init;
}

// Back.
// ----------------------------------------------------------------------------

template <typename ProtoEnum, typename T>
ProtoEnum Number(T value) {
  return static_cast<ProtoEnum>(static_cast<int>(value));
}

template <typename Message, typename Xavier>
void WriteXavier(const Xavier& init, Message& message) {
  if (init.gain) message.set_gain(*init.gain);
  if (init.nonlinearity) message.set_nonlinearity(Number<v1::Nonlinearity>(*init.nonlinearity));
  if (init.negative_slope) message.set_negative_slope(*init.negative_slope);
}

template <typename Message, typename Kaiming>
void WriteKaiming(const Kaiming& init, Message& message) {
  const Kaiming defaults;
  if (init.mode != defaults.mode) message.set_mode(Number<v1::FanMode>(init.mode));
  if (init.nonlinearity != defaults.nonlinearity) {
    message.set_nonlinearity(Number<v1::Nonlinearity>(init.nonlinearity));
  }
  if (init.negative_slope) message.set_negative_slope(*init.negative_slope);
}

// One overload for each method, so that a new one does not compile until it stands here.
struct Writer {
  v1::Initializer& out;

  void operator()(const Zeros&) const { out.mutable_zeros(); }
  void operator()(const Ones&) const { out.mutable_ones(); }
  void operator()(const Constant& init) const {
    v1::Constant& message = *out.mutable_constant();
    if (init.value) message.set_value(*init.value);
  }
  void operator()(const Eye& init) const {
    v1::Eye& message = *out.mutable_eye();
    if (init.gain != Eye().gain) message.set_gain(init.gain);
  }
  void operator()(const Dirac& init) const {
    v1::Dirac& message = *out.mutable_dirac();
    if (init.groups != Dirac().groups) message.set_groups(init.groups);
  }
  void operator()(const Uniform& init) const {
    v1::Uniform& message = *out.mutable_uniform();
    message.set_low(init.low);
    if (init.high != Uniform().high) message.set_high(init.high);
  }
  void operator()(const Normal& init) const {
    v1::Normal& message = *out.mutable_normal();
    message.set_mean(init.mean);
    if (init.std != Normal().std) message.set_std(init.std);
  }
  void operator()(const TruncatedNormal& init) const {
    const TruncatedNormal defaults;
    v1::TruncatedNormal& message = *out.mutable_truncated_normal();
    message.set_mean(init.mean);
    if (init.std != defaults.std) message.set_std(init.std);
    if (init.low != defaults.low) message.set_low(init.low);
    if (init.high != defaults.high) message.set_high(init.high);
    if (init.bounds != defaults.bounds) {
      message.set_bounds(Number<v1::TruncatedNormal::Bounds>(init.bounds));
    }
    message.set_correct_variance(init.correct_variance);
  }
  void operator()(const XavierUniform& init) const {
    WriteXavier(init, *out.mutable_xavier_uniform());
  }
  void operator()(const XavierNormal& init) const {
    WriteXavier(init, *out.mutable_xavier_normal());
  }
  void operator()(const KaimingUniform& init) const {
    WriteKaiming(init, *out.mutable_kaiming_uniform());
  }
  void operator()(const KaimingNormal& init) const {
    WriteKaiming(init, *out.mutable_kaiming_normal());
  }
  void operator()(const LecunUniform&) const { out.mutable_lecun_uniform(); }
  void operator()(const LecunNormal&) const { out.mutable_lecun_normal(); }
  void operator()(const VarianceScaling& init) const {
    const VarianceScaling defaults;
    v1::VarianceScaling& message = *out.mutable_variance_scaling();
    if (init.scale != defaults.scale) message.set_scale(init.scale);
    if (init.mode != defaults.mode) message.set_mode(Number<v1::FanMode>(init.mode));
    if (init.distribution != defaults.distribution) {
      message.set_distribution(Number<v1::VarianceScaling::Distribution>(init.distribution));
    }
  }
  void operator()(const Orthogonal& init) const {
    v1::Orthogonal& message = *out.mutable_orthogonal();
    if (init.gain != Orthogonal().gain) message.set_gain(init.gain);
  }
  void operator()(const DeltaOrthogonal& init) const {
    v1::DeltaOrthogonal& message = *out.mutable_delta_orthogonal();
    if (init.gain != DeltaOrthogonal().gain) message.set_gain(init.gain);
  }
  void operator()(const Sparse& init) const {
    v1::Sparse& message = *out.mutable_sparse();
    if (init.sparsity) message.set_sparsity(*init.sparsity);
    if (init.std != Sparse().std) message.set_std(init.std);
  }
};

Initializer Parameters(const v1::Initializer& init, Reader& read) {
  switch (init.kind_case()) {
    case v1::Initializer::kZeros:
      return Zeros();
    case v1::Initializer::kOnes:
      return Ones();
    case v1::Initializer::kConstant:
      return From(init.constant(), read);
    case v1::Initializer::kEye:
      return From(init.eye(), read);
    case v1::Initializer::kDirac:
      return From(init.dirac(), read);
    case v1::Initializer::kUniform:
      return From(init.uniform(), read);
    case v1::Initializer::kNormal:
      return From(init.normal(), read);
    case v1::Initializer::kTruncatedNormal:
      return From(init.truncated_normal(), read);
    case v1::Initializer::kXavierUniform:
      return XavierFrom<XavierUniform>(init.xavier_uniform(), read);
    case v1::Initializer::kXavierNormal:
      return XavierFrom<XavierNormal>(init.xavier_normal(), read);
    case v1::Initializer::kKaimingUniform:
      return KaimingFrom<KaimingUniform>(init.kaiming_uniform(), read);
    case v1::Initializer::kKaimingNormal:
      return KaimingFrom<KaimingNormal>(init.kaiming_normal(), read);
    case v1::Initializer::kLecunUniform:
      return LecunUniform();
    case v1::Initializer::kLecunNormal:
      return LecunNormal();
    case v1::Initializer::kVarianceScaling:
      return From(init.variance_scaling(), read);
    case v1::Initializer::kOrthogonal:
      return WithGainFrom<Orthogonal>(init.orthogonal());
    case v1::Initializer::kDeltaOrthogonal:
      return WithGainFrom<DeltaOrthogonal>(init.delta_orthogonal());
    case v1::Initializer::kSparse:
      return From(init.sparse(), read);
    case v1::Initializer::KIND_NOT_SET:
      break;
  }
  return Zeros();
}

}  // namespace

absl::StatusOr<Initializer> FromProto(const v1::Initializer& init, std::string_view field) {
  if (init.kind_case() == v1::Initializer::KIND_NOT_SET) {
    return FieldError(field, "no method is set; one is required, such as zeros or normal");
  }
  // The oneof's field has the method's name: "tensors[3].init.sparse".
  const auto* kind = v1::Initializer::descriptor()->FindFieldByNumber(init.kind_case());
  Reader read(FieldPath(field, kind->name()));
  return read.Result(Parameters(init, read));
}

v1::Initializer ToProto(const Initializer& init) {
  v1::Initializer message;
  std::visit(Writer{message}, init);
  return message;
}

}  // namespace weightinit::proto
