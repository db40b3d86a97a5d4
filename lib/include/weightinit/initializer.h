// Initializers: methods with their parameters, and their text form `kaiming_uniform(mode=fan_in,
// nonlinearity=relu)`.
//
// A parameter that a method does not have cannot be written down. Formulas and references:
// docs/initializers.md; `Describe` prints them. Thread-safety: everything here is a pure function
// or a value.
#ifndef WEIGHTINIT_INITIALIZER_H_
#define WEIGHTINIT_INITIALIZER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/export.h"

namespace weightinit {

// Which fan divides the variance. Glorot & Bengio 2010, He et al. 2015; FAN_GEO_AVG is
// sqrt(fan_in·fan_out), as in JAX.
enum class FanMode : std::uint8_t { kFanIn = 1, kFanOut, kFanAvg, kFanGeoAvg };

// The activation behind a layer, from which the gain follows (see Gain). The first eleven are
// torch.nn.init.calculate_gain's.
enum class Nonlinearity : std::uint8_t {
  kLinear = 1,
  kConv1d,
  kConv2d,
  kConv3d,
  kConvTranspose1d,
  kConvTranspose2d,
  kConvTranspose3d,
  kSigmoid,
  kTanh,
  kRelu,
  kLeakyRelu,
  kSelu,
  kIdentity,
  kGelu,
  kGeluTanh,
  kQuickGelu,
  kSilu,
  kMish,
  kElu,
  kSoftplus,
  kSoftsign,
  kHardswish,
  kRelu6,
  kReluSquared,
  kHardtanh,
  kSin,
};

// What the bounds of a truncated normal mean: multiples of std around mean (JAX, Keras,
// TensorFlow), or values (torch).
enum class TruncationBounds : std::uint8_t { kSigma = 1, kAbsolute };

enum class VarianceScalingDistribution : std::uint8_t { kTruncatedNormal = 1, kNormal, kUniform };

struct Zeros {
  friend bool operator==(const Zeros&, const Zeros&) = default;
};
struct Ones {
  friend bool operator==(const Ones&, const Ones&) = default;
};
struct Constant {
  std::optional<double> value;  // required
  friend bool operator==(const Constant&, const Constant&) = default;
};
// `gain` on the main diagonal of a matrix, square or not; 0 elsewhere.
struct Eye {
  double gain = 1;
  friend bool operator==(const Eye&, const Eye&) = default;
};
// Preserves the identity of the channels of a convolution of 3 to 5 dimensions, as
// torch.nn.init.dirac_.
struct Dirac {
  std::int64_t groups = 1;  // ≥ 1, divides dimension 0
  friend bool operator==(const Dirac&, const Dirac&) = default;
};
// U[low, high]
struct Uniform {
  double low = 0, high = 1;
  friend bool operator==(const Uniform&, const Uniform&) = default;
};
// N(mean, std²)
struct Normal {
  double mean = 0, std = 1;
  friend bool operator==(const Normal&, const Normal&) = default;
};
// N(mean, std²) cut at [low, high]. With correct_variance the result has the asked std, whatever
// the bounds.
struct TruncatedNormal {
  double mean = 0, std = 1, low = -2, high = 2;
  TruncationBounds bounds = TruncationBounds::kSigma;
  bool correct_variance = false;
  friend bool operator==(const TruncatedNormal&, const TruncatedNormal&) = default;
};
// Glorot & Bengio 2010: std = gain·√(2 / (fan_in + fan_out)); uniform on ±√3·std, or normal.
struct XavierUniform {
  std::optional<double> gain;  // default 1; not together with nonlinearity
  std::optional<Nonlinearity> nonlinearity;
  std::optional<double> negative_slope;  // with LEAKY_RELU alone; default 0.01
  friend bool operator==(const XavierUniform&, const XavierUniform&) = default;
};
struct XavierNormal {
  std::optional<double> gain;
  std::optional<Nonlinearity> nonlinearity;
  std::optional<double> negative_slope;
  friend bool operator==(const XavierNormal&, const XavierNormal&) = default;
};
// He et al. 2015: std = gain / √fan; uniform on ±√3·std, or normal.
struct KaimingUniform {
  FanMode mode = FanMode::kFanIn;  // FAN_IN or FAN_OUT
  Nonlinearity nonlinearity = Nonlinearity::kLeakyRelu;
  std::optional<double> negative_slope;  // with LEAKY_RELU alone; default 0
  friend bool operator==(const KaimingUniform&, const KaimingUniform&) = default;
};
struct KaimingNormal {
  FanMode mode = FanMode::kFanIn;
  Nonlinearity nonlinearity = Nonlinearity::kLeakyRelu;
  std::optional<double> negative_slope;
  friend bool operator==(const KaimingNormal&, const KaimingNormal&) = default;
};
// LeCun et al. 1998, as JAX and Keras: variance_scaling(1, FAN_IN, UNIFORM / TRUNCATED_NORMAL).
struct LecunUniform {
  friend bool operator==(const LecunUniform&, const LecunUniform&) = default;
};
struct LecunNormal {
  friend bool operator==(const LecunNormal&, const LecunNormal&) = default;
};
// variance = scale / fan. TRUNCATED_NORMAL is cut at ±2σ and corrected, so that the result has this
// variance.
struct VarianceScaling {
  double scale = 1;
  FanMode mode = FanMode::kFanIn;
  VarianceScalingDistribution distribution = VarianceScalingDistribution::kTruncatedNormal;
  friend bool operator==(const VarianceScaling&, const VarianceScaling&) = default;
};
// Saxe et al. 2013: gain·Q of a Gaussian matrix (rows = dimension 0), Q Haar-distributed (Mezzadri
// 2007).
struct Orthogonal {
  double gain = 1;
  friend bool operator==(const Orthogonal&, const Orthogonal&) = default;
};
// Xiao et al. 2018: an orthogonal matrix in the centre tap of a convolution kernel, 0 elsewhere;
// out ≥ in.
struct DeltaOrthogonal {
  double gain = 1;
  friend bool operator==(const DeltaOrthogonal&, const DeltaOrthogonal&) = default;
};
// Martens 2010: N(0, std²) with ceil(sparsity·rows) zeros in each column.
struct Sparse {
  std::optional<double> sparsity;  // required, in [0, 1]
  double std = 0.01;
  friend bool operator==(const Sparse&, const Sparse&) = default;
};

using Initializer =
    std::variant<Zeros, Ones, Constant, Eye, Dirac, Uniform, Normal, TruncatedNormal, XavierUniform,
                 XavierNormal, KaimingUniform, KaimingNormal, LecunUniform, LecunNormal,
                 VarianceScaling, Orthogonal, DeltaOrthogonal, Sparse>;

// "kaiming_uniform"
WEIGHTINIT_EXPORT std::string_view MethodName(const Initializer& init);

// The text form with every parameter that differs from its default, numbers in the shortest form
// that reads back exactly: "kaiming_uniform(nonlinearity=RELU)".
WEIGHTINIT_EXPORT std::string ToString(const Initializer& init);

// Reads the text form: NAME or NAME(parameter=value, …), any case, torch's spellings as aliases
// (`trunc_normal`, a trailing underscore, `a` for negative_slope); numbers as JSON writes them,
// also inf and -inf. The result is not checked for ranges (Resolve does). Errors: INVALID_ARGUMENT
// with `field`, naming the methods, parameters or values that exist.
WEIGHTINIT_EXPORT absl::StatusOr<Initializer> ParseInitializer(std::string_view text,
                                                               std::string_view field = "init");

// One parameter of a method, for help texts.
struct ParameterDescription {
  std::string name;           // "negative_slope"
  std::string default_value;  // "0"; "required" or "none" where there is none
  std::string allowed;        // "FAN_IN, FAN_OUT"; "a number ≥ 0"
};
struct MethodDescription {
  std::string name;       // "kaiming_uniform"
  std::string formula;    // "U(±√3·gain/√fan)"
  std::string reference;  // "He et al. 2015, arXiv:1502.01852"
  std::vector<ParameterDescription> parameters;
};

// Every method, in the order of Initializer.
WEIGHTINIT_EXPORT std::vector<MethodDescription> DescribeMethods();

// The names that ToString prints and the parsers take in any case: "FAN_IN", "LEAKY_RELU", "SIGMA",
// "TRUNCATED_NORMAL".
WEIGHTINIT_EXPORT std::string_view Name(FanMode mode);
WEIGHTINIT_EXPORT std::string_view Name(Nonlinearity nonlinearity);
WEIGHTINIT_EXPORT std::string_view Name(TruncationBounds bounds);
WEIGHTINIT_EXPORT std::string_view Name(VarianceScalingDistribution distribution);
WEIGHTINIT_EXPORT std::span<const Nonlinearity> AllNonlinearities();

// The gain of an activation: torch.nn.init.calculate_gain's value where torch has one (sigmoid 1,
// tanh 5/3, selu 3/4), else the He-style E[f(z)²]^-½ for z ~ N(0, 1). leaky_relu: √(2 / (1 +
// negative_slope²)).
WEIGHTINIT_EXPORT double Gain(Nonlinearity nonlinearity, double negative_slope);

}  // namespace weightinit

#endif  // WEIGHTINIT_INITIALIZER_H_
