// Elementary and normal-distribution functions in binary64 from + − × ÷ √ alone.
//
// A C library's exp or erf differs from machine to machine, and weights are a function of numbers
// computed with them; so the plan uses these. With round to nearest they give the same bits
// everywhere. Speed is irrelevant: they run a few times per plan.
//
// Every function states its valid range; its maximum relative error is 2^-45 (docs/philox-v1.md
// asks for it), and tests/unit/kernels/special_functions_test.cc measures it against values
// computed with 50 digits.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_LIB_BASE_SPECIAL_FUNCTIONS_H_
#define WEIGHTINIT_LIB_BASE_SPECIAL_FUNCTIONS_H_

namespace weightinit {

// e^x. Valid range: every number, infinities included; underflow gives 0 (below -708), overflow
// infinity.
double Exp(double x);

// The natural logarithm. Valid range: positive normal numbers; 0 gives -infinity.
double Log(double x);

// Valid range: every number, infinities included.
double Erf(double x);

// 1 - erf(x), relatively accurate for large x too. Valid range: x ≤ 26; beyond, it underflows
// towards 0.
double Erfc(double x);

// Density and distribution function of the standard normal distribution, relatively accurate in
// both tails (so NormalCdf(-x) is the accurate 1 - NormalCdf(x)). Valid range: |x| ≤ 37.5 (normal
// results); beyond, towards 0 and 1.
double NormalPdf(double x);
double NormalCdf(double x);

// NormalCdf(b) - NormalCdf(a), computed in the tail where both are small. REQUIRES: a ≤ b;
// infinities are valid. Maximum error: 2^-45 relative to the larger of the tails that are
// subtracted.
double NormalProbability(double a, double b);

// The standard deviation of the standard normal distribution cut at [a, b]. REQUIRES: a ≤ b, a ≤
// 40, b ≥ -40; infinities are valid. Maximum relative error 2^-45 for narrow and one-sided
// intervals too.
double TruncatedStd(double a, double b);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_BASE_SPECIAL_FUNCTIONS_H_
