// The plan's special functions against values computed with 50 digits
// (tests/golden/special_functions.csv, made by tools/make_special_functions_golden.py), and against
// the C library's.
#include "lib/base/special_functions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <numbers>
#include <sstream>
#include <string>
#include <vector>

namespace weightinit {
namespace {

constexpr double kTolerance = 0x1p-45;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double Call(const std::string& name, const std::vector<double>& x) {
  if (name == "exp") return Exp(x[0]);
  if (name == "log") return Log(x[0]);
  if (name == "erf") return Erf(x[0]);
  if (name == "erfc") return Erfc(x[0]);
  if (name == "normal_pdf") return NormalPdf(x[0]);
  if (name == "normal_cdf") return NormalCdf(x[0]);
  if (name == "truncated_std") return TruncatedStd(x[0], x[1]);
  ADD_FAILURE() << "unknown function " << name;
  return 0;
}

TEST(SpecialFunctions, EqualTheGoldenValues) {
  std::ifstream file(WEIGHTINIT_SOURCE_DIR "/tests/golden/special_functions.csv");
  ASSERT_TRUE(file.is_open());
  std::map<std::string, double> worst;
  std::map<std::string, int> count;
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::string name, field;
    std::getline(fields, name, ',');
    std::vector<double> numbers;
    while (std::getline(fields, field, ',')) numbers.push_back(std::strtod(field.c_str(), nullptr));
    const double exact = numbers.back();
    const double error = std::abs(Call(name, numbers) - exact) / std::abs(exact);
    EXPECT_LE(error, kTolerance) << line << " gives " << std::hexfloat << Call(name, numbers);
    worst[name] = std::max(worst[name], error);
    ++count[name];
  }
  EXPECT_EQ(count.size(), 7u);
  for (const auto& [name, error] : worst) {
    EXPECT_GE(count[name], 30) << name;
    std::printf("  %-14s %4d values, worst relative error 2^%.2f\n", name.c_str(), count[name],
                std::log2(error));
  }
}

TEST(SpecialFunctions, AgreeWithTheCLibrary) {
  const auto expect_close = [](double got, long double exact, const char* name, double x) {
    EXPECT_LE(std::abs(got - exact), kTolerance * std::abs(exact)) << name << " of " << x;
  };
  for (int i = -70'000; i <= 70'000; i += 7) {
    const double x = i / 100.0;
    expect_close(Exp(x), std::exp(static_cast<long double>(x)), "exp", x);
  }
  for (int i = -30'000; i <= 30'000; ++i) {
    const double x = i / 1000.0;
    const long double wide = x;
    if (i != 0) expect_close(Erf(x), std::erf(wide), "erf", x);
    if (x < 26) expect_close(Erfc(x), std::erfc(wide), "erfc", x);
  }
  for (int e = -1022; e <= 1023; ++e) {
    for (const double m : {1.0, 1.2, 1.41421, 1.41422, 1.7, 1.9999999}) {
      const double x = std::ldexp(m, e);
      if (x != 1) expect_close(Log(x), std::log(static_cast<long double>(x)), "log", x);
    }
  }
  for (int i = 1; i < 60; ++i) {
    for (const double x : {1 + std::ldexp(1.0, -i), 1 - std::ldexp(1.0, -i)}) {
      if (x != 1 && x != 0) expect_close(Log(x), std::log(static_cast<long double>(x)), "log", x);
    }
  }
}

TEST(SpecialFunctions, Ends) {
  EXPECT_EQ(Exp(0), 1);
  EXPECT_EQ(Exp(-kInfinity), 0);
  EXPECT_EQ(Exp(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(Exp(std::nan(""))));
  EXPECT_EQ(Log(1), 0);
  EXPECT_EQ(Log(0), -kInfinity);
  EXPECT_EQ(Log(kInfinity), kInfinity);
  EXPECT_EQ(Erf(0), 0);
  EXPECT_EQ(Erf(kInfinity), 1);
  EXPECT_EQ(Erf(-kInfinity), -1);
  EXPECT_EQ(Erfc(kInfinity), 0);
  EXPECT_EQ(Erfc(-kInfinity), 2);
  EXPECT_EQ(NormalCdf(-kInfinity), 0);
  EXPECT_EQ(NormalCdf(kInfinity), 1);
  EXPECT_EQ(NormalCdf(0), 0.5);
  EXPECT_EQ(NormalCdf(-1000), 0);
  EXPECT_EQ(NormalPdf(kInfinity), 0);
  EXPECT_EQ(NormalProbability(-kInfinity, kInfinity), 1);
  EXPECT_EQ(NormalProbability(3, 3), 0);
}

TEST(SpecialFunctions, AreSymmetric) {
  for (int i = 0; i < 4000; ++i) {
    const double x = i / 100.0;
    EXPECT_EQ(Erf(-x), -Erf(x));
    EXPECT_EQ(NormalPdf(-x), NormalPdf(x));
    EXPECT_EQ(NormalProbability(-x, 0), NormalProbability(0, x));
    EXPECT_EQ(NormalProbability(-x, -x / 2), NormalProbability(x / 2, x));
    EXPECT_EQ(TruncatedStd(-x, 1), TruncatedStd(-1, x));
  }
}

TEST(TruncatedStd, OfWellKnownBounds) {
  const auto expect = [](double got, double exact) { EXPECT_NEAR(got, exact, kTolerance * exact); };
  expect(TruncatedStd(-2, 2), 0.87962566103423975);
  expect(TruncatedStd(-3, 3), 0.98657839255810862);
  expect(TruncatedStd(-1, 1), 0.53956009375489697);
  expect(TruncatedStd(-kInfinity, kInfinity), 1);
  // Half a normal.
  expect(TruncatedStd(0, kInfinity), std::sqrt(1 - 2 / std::numbers::pi));
  EXPECT_EQ(TruncatedStd(0.5, 0.5), 0);
  // A narrow interval is nearly uniform.
  expect(TruncatedStd(1, 1 + 0x1p-40), 0x1p-40 / std::sqrt(12.0));
}

}  // namespace
}  // namespace weightinit
