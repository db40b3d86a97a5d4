#include "lib/base/torch_dialect.h"

#include <cmath>

namespace weightinit::torch_cpu {

double NormCdf(double x) { return (1.0 + std::erf(x / std::sqrt(2.0))) / 2.0; }

bool RejectsNormals(const TruncNormalFill& fill) {
  return NormCdf((fill.b - fill.mean) / fill.std) - NormCdf((fill.a - fill.mean) / fill.std) > 0.3;
}

}  // namespace weightinit::torch_cpu
