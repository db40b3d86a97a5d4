#include "lib/base/special_functions.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace weightinit {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// ln 2 in two parts: the first has 21 trailing zeros, so that its product with an exponent is
// exact.
constexpr double kLn2High = 0x1.62e42fee00000p-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kSqrtTwoPi = 0x1.40d931ff62706p+1;
constexpr double kSqrtPi = 0x1.c5bf891b4ef6bp+0;

// 2^k. REQUIRES: -1022 ≤ k ≤ 1023.
double PowerOfTwo(int k) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(k + 1023) << 52);
}

// value · 2^k, k from -1080 to 1030, in two exact steps and at most one that rounds (into the
// subnormals).
double Scale(double value, int k) {
  const int first = std::clamp(k, -1000, 1000);
  return value * PowerOfTwo(first) * PowerOfTwo(k - first);
}

struct Sum {
  double high, low;
};

// x² exactly (Dekker). REQUIRES: |x| < 2^500, no underflow that matters.
Sum Square(double x) {
  const double split = 0x1.0000002p+27 * x;
  const double high = split - (split - x);
  const double low = x - high;
  const double product = x * x;
  return {product, ((high * high - product) + 2 * high * low) + low * low};
}

// e^(-scale x²), scale a power of two: x² rounded would lose as many bits as its exponent has.
double ExpMinusSquare(double x, double scale) {
  const Sum square = Square(x);
  return Exp(-scale * square.high) * (1 - scale * square.low);
}

// Beyond this e^(-x²/2) is 0 in binary64.
constexpr double kFar = 40;

// (1 - Φ(x)) / φ(x), by its continued fraction 1/(x + 1/(x + 2/(x + 3/(x + …, from the end. Valid
// range: x ≥ 1.25. 400 levels leave less than 2^-60 at its lower end.
double MillsRatio(double x) {
  double tail = x;
  for (int k = 400; k >= 1; --k) tail = x + k / tail;
  return 1 / tail;
}

// (Φ(x) - 1/2) / φ(x) = x + x³/3 + x⁵/15 + …: all terms have one sign. Valid range: |x| ≤ 6.
double CentralRatio(double x) {
  double term = x, sum = 0;
  for (int n = 1; n < 200; ++n) {
    sum += term;
    term *= x * x / (2 * n + 1);
  }
  return sum;
}

// 1 - Φ(x). REQUIRES: x ≥ 0.
double UpperTail(double x) {
  if (x >= kFar) return 0;
  if (x < 1.25) return 0.5 - NormalPdf(x) * CentralRatio(x);
  return NormalPdf(x) * MillsRatio(x);
}

// A sum that carries its rounding errors along (Neumaier), of terms ≥ 0.
class Accumulator {
 public:
  void Add(double term) {
    const double sum = sum_ + term;
    correction_ += std::abs(sum_) >= term ? (sum_ - sum) + term : (term - sum) + sum_;
    sum_ = sum;
  }
  double Total() const { return sum_ + correction_; }

 private:
  double sum_ = 0, correction_ = 0;
};

// Gauss-Legendre with 8 points: nodes in (0, 1) and their weights; the other four are their mirror
// images.
constexpr double kNodes[] = {0x1.77ac94f3c7345p-3, 0x1.0d129583284b4p-1, 0x1.97e4ab249f41ep-1,
                             0x1.ebab1cb0acc67p-1};
constexpr double kWeights[] = {0x1.736360b199343p-2, 0x1.413c50a255615p-2, 0x1.c76fb531d2b96p-3,
                               0x1.9ea1d04ca0374p-4};

// The integral of f ≥ 0 over [low, high] in `panels` panels.
template <class Function>
double Integrate(double low, double high, int panels, const Function& f) {
  Accumulator sum;
  const double half = (high - low) / panels / 2;
  for (int panel = 0; panel < panels; ++panel) {
    const double middle = low + half * (2 * panel + 1);
    for (int i = 0; i < 4; ++i) {
      sum.Add(half * kWeights[i] * f(middle - half * kNodes[i]));
      sum.Add(half * kWeights[i] * f(middle + half * kNodes[i]));
    }
  }
  return sum.Total();
}

}  // namespace

double Exp(double x) {
  if (!(x < 710)) return x > 0 ? kInfinity : x;  // x itself if it is not a number
  if (x < -746) return 0;
  // x = k ln 2 + r, |r| ≤ 0.35.
  const int k = static_cast<int>(x * 0x1.71547652b82fep+0 + (x < 0 ? -0.5 : 0.5));
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double sum = 1;
  for (int n = 18; n >= 1; --n) sum = 1 + sum * r / n;
  return Scale(sum, k);
}

double Log(double x) {
  if (x == 0) return -kInfinity;
  if (!(x < kInfinity)) return x;
  // x = m 2^e with m from sqrt(1/2) to sqrt(2).
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x) - 0x3FE6A09E667F3BCDu;
  const int e = static_cast<int>(static_cast<std::int64_t>(bits) >> 52);
  const double m = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFu) + 0x3FE6A09E667F3BCDu);
  // ln m = 2 atanh(s) = 2 (s + s³/3 + s⁵/5 + …), s = (m - 1) / (m + 1), |s| < 0.172.
  const double s = (m - 1) / (m + 1);
  double sum = 0;
  for (int n = 27; n >= 3; n -= 2) sum = (sum + 1.0 / n) * (s * s);
  return e * kLn2High + (e * kLn2Low + 2 * (s + s * sum));
}

double Erf(double x) {
  if (x > 6) return 1;
  if (x < -6) return -1;
  if (std::abs(x) > 1) return x > 0 ? 1 - Erfc(x) : Erfc(-x) - 1;
  // 2/√π e^(-x²) (x + 2x³/3 + 4x⁵/15 + …).
  double term = x, sum = 0;
  for (int n = 1; n < 60; ++n) {
    sum += term;
    term *= 2 * (x * x) / (2 * n + 1);
  }
  return 2 / kSqrtPi * ExpMinusSquare(x, 1) * sum;
}

double Erfc(double x) {
  if (x <= 1) return 1 - Erf(x);
  if (!(x < 28)) return x > 0 ? 0 : x;
  // e^(-x²)/√π / (x + (1/2)/(x + (2/2)/(x + (3/2)/(x + …
  double tail = x;
  for (int k = 400; k >= 1; --k) tail = x + 0.5 * k / tail;
  return ExpMinusSquare(x, 1) / (kSqrtPi * tail);
}

double NormalPdf(double x) {
  if (std::abs(x) >= kFar) return 0;
  return ExpMinusSquare(x, 0.5) / kSqrtTwoPi;
}

double NormalCdf(double x) { return x <= 0 ? UpperTail(-x) : 1 - UpperTail(x); }

double NormalProbability(double a, double b) {
  if (a >= 0) return UpperTail(a) - UpperTail(b);
  if (b <= 0) return UpperTail(-b) - UpperTail(-a);
  return (0.5 - UpperTail(-a)) + (0.5 - UpperTail(b));
}

double TruncatedStd(double a, double b) {
  // The textbook formula 1 + (aφ(a) - bφ(b))/Z - ((φ(a) - φ(b))/Z)² cancels for narrow and for
  // one-sided intervals. The moments are integrated instead: every term is positive, and the
  // variance is taken around the mean, so nothing cancels. The variable is t = x - origin, the
  // origin being where the density is largest: a narrow interval far from 0 keeps its digits.
  if (a == b) return 0;
  if (b <= 0 || -a > b)
    return TruncatedStd(-b, -a);  // one orientation: mirror images get the same bits
  const double origin = std::max(a, 0.0);
  // Where the density is 2^-100 of its largest value: t (2 origin + t) = 139. The farther out the
  // origin, the nearer: the cost stays the same for bounds of any size.
  const double far = 139 / (origin + std::sqrt(origin * origin + 139));
  const double low = std::max(a - origin, -12.0);
  const double high = std::min(b - origin, origin > 0 ? far : 12.0);
  // Panels no wider than half of the density's own scale.
  const double scale = std::max(origin, 2.0);
  const int panels = 1 + static_cast<int>((high - low) * scale);
  const auto density = [origin](double t) { return Exp(-0.5 * t * (2 * origin + t)); };

  const double mass = Integrate(low, high, panels, density);
  // The mean as a distance from `low`, so that the integrand is positive.
  const double mean =
      low + Integrate(low, high, panels, [&](double t) { return (t - low) * density(t); }) / mass;
  const double variance =
      Integrate(low, high, panels, [&](double t) { return (t - mean) * (t - mean) * density(t); }) /
      mass;
  return std::sqrt(variance);
}

}  // namespace weightinit
