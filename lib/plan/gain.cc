// Gains of activations.
#include <cmath>

#include "weightinit/initializer.h"

namespace weightinit {

// Where torch.nn.init.calculate_gain has a value it is torch's; else E[f(z)²]^-½ for z ~ N(0, 1),
// integrated to 25 digits with mpmath.
double Gain(Nonlinearity nonlinearity, double negative_slope) {
  switch (nonlinearity) {
    case Nonlinearity::kLinear:
    case Nonlinearity::kConv1d:
    case Nonlinearity::kConv2d:
    case Nonlinearity::kConv3d:
    case Nonlinearity::kConvTranspose1d:
    case Nonlinearity::kConvTranspose2d:
    case Nonlinearity::kConvTranspose3d:
    case Nonlinearity::kSigmoid:
    case Nonlinearity::kIdentity:
      return 1.0;
    case Nonlinearity::kTanh:
      return 5.0 / 3.0;
    case Nonlinearity::kRelu:
      return std::sqrt(2.0);
    case Nonlinearity::kLeakyRelu:
      return std::sqrt(2.0 / (1.0 + negative_slope * negative_slope));
    case Nonlinearity::kSelu:
      return 3.0 / 4.0;
    case Nonlinearity::kGelu:
      return 1.5335304411955352;
    case Nonlinearity::kGeluTanh:
      return 1.5335805216661469;
    case Nonlinearity::kQuickGelu:
      return 1.5394587622988314;
    case Nonlinearity::kSilu:
      return 1.6765324703310912;
    case Nonlinearity::kMish:
      return 1.4868475812732081;
    case Nonlinearity::kElu:
      return 1.2451983007007066;
    case Nonlinearity::kSoftplus:
      return 1.0418668355353017;
    case Nonlinearity::kSoftsign:
      return 2.3375333631085397;
    case Nonlinearity::kHardswish:
      return 1.7366572127665416;
    case Nonlinearity::kRelu6:
      return 1.4142135650950737;
    case Nonlinearity::kReluSquared:
      return 0.81649658092772603;
    case Nonlinearity::kHardtanh:
      return 1.3920361404483098;
    case Nonlinearity::kSin:
      return 1.5208666231788149;
  }
  return 1.0;
}

}  // namespace weightinit
