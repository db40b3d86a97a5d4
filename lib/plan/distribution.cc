#include "lib/plan/distribution.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "lib/base/product.h"
#include "lib/base/special_functions.h"
#include "lib/base/text.h"
#include "lib/plan/torch_stream.h"

namespace weightinit {
namespace {

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr std::array<std::string_view, std::variant_size_v<Distribution>> kNames = {
    "filled",           "diagonal",      "dirac",      "uniform",         "normal",
    "truncated_normal", "sparse_normal", "orthogonal", "delta_orthogonal"};

// `count` of `total` elements are `value`, the others 0.
Expected MostlyZero(double value, double count, double total) {
  const double mean = value * count / total;
  const double variance = value * value * count / total - mean * mean;
  const bool all = count == total;
  return {mean, std::sqrt(std::max(variance, 0.0)), all ? value : std::min(value, 0.0),
          count == 0 ? 0.0 : std::max(value, 0.0)};
}

// The mean of the standard normal distribution cut at [a, b], good enough to look at.
double TruncatedMean(double a, double b) {
  constexpr double kNarrow = 1e-4;  // below, the difference cancels and the density is flat
  const double probability = NormalProbability(a, b);
  if (b - a < kNarrow || probability == 0) return a + (b - a) / 2;
  return (NormalPdf(a) - NormalPdf(b)) / probability;
}

Expected ExpectedTruncated(const TruncatedNormalWith& d, TruncationCache& cache) {
  double low = d.std == 0 ? d.mean : d.mean + d.std * d.low_sigma;
  double high = d.std == 0 ? d.mean : d.mean + d.std * d.high_sigma;
  if (d.clamp.has_value()) {
    low = d.clamp->first;
    high = d.clamp->second;
  }
  if (d.std == 0) return {d.mean, 0, d.mean, d.mean};
  const Truncation& truncation = cache.Of(d.low_sigma, d.high_sigma);
  return {d.mean + d.std * truncation.mean, d.std * truncation.std, low, high};
}

}  // namespace

std::string_view Name(const Distribution& distribution) { return kNames[distribution.index()]; }

const Truncation& TruncationCache::Of(double low_sigma, double high_sigma) {
  const auto [found, inserted] = made_.try_emplace({low_sigma, high_sigma});
  if (inserted) {
    found->second = {NormalCdf(low_sigma), NormalCdf(-high_sigma),
                     NormalProbability(low_sigma, high_sigma), TruncatedMean(low_sigma, high_sigma),
                     TruncatedStd(low_sigma, high_sigma)};
  }
  return found->second;
}

std::vector<std::pair<std::string, double>> Numbers(const Distribution& distribution) {
  TruncationCache cache;
  return Numbers(distribution, cache);
}

std::vector<std::pair<std::string, double>> Numbers(const Distribution& distribution,
                                                    TruncationCache& cache) {
  using Result = std::vector<std::pair<std::string, double>>;
  const auto number = [](std::int64_t value) { return static_cast<double>(value); };
  return std::visit(
      Overloaded{
          [](const FilledWith& d) {
            return Result{{"value", d.value}};
          },
          [](const DiagonalOf& d) {
            return Result{{"gain", d.gain}};
          },
          [&](const DiracDelta& d) {
            return Result{{"groups", number(d.groups)}};
          },
          [](const UniformOn& d) {
            return Result{{"low", d.low}, {"high", d.high}};
          },
          [](const NormalWith& d) {
            return Result{{"mean", d.mean}, {"std", d.std}};
          },
          [&](const TruncatedNormalWith& d) {
            const Truncation& truncation = cache.Of(d.low_sigma, d.high_sigma);
            // The last three are what the kernel draws from (docs/philox-v1.md §2).
            Result result{{"mean", d.mean},
                          {"std", d.std},
                          {"low_sigma", d.low_sigma},
                          {"high_sigma", d.high_sigma},
                          {"below_low", truncation.below_low},
                          {"above_high", truncation.above_high},
                          {"between", truncation.between}};
            if (d.clamp.has_value()) {
              result.emplace_back("clamp_low", d.clamp->first);
              result.emplace_back("clamp_high", d.clamp->second);
            }
            return result;
          },
          [&](const SparseNormal& d) {
            return Result{{"std", d.std},
                          {"rows", number(d.rows)},
                          {"cols", number(d.cols)},
                          {"zeros_per_column", number(d.zeros_per_column)}};
          },
          [&](const OrthogonalMatrix& d) {
            return Result{{"gain", d.gain}, {"rows", number(d.rows)}, {"cols", number(d.cols)}};
          },
          [&](const DeltaOrthogonalKernel& d) {
            return Result{{"gain", d.gain}, {"out", number(d.out)}, {"in", number(d.in)}};
          },
      },
      distribution);
}

bool IsRandom(const Distribution& distribution) {
  return !std::holds_alternative<FilledWith>(distribution) &&
         !std::holds_alternative<DiagonalOf>(distribution) &&
         !std::holds_alternative<DiracDelta>(distribution);
}

bool IsMadeWhole(const Distribution& distribution) {
  return std::holds_alternative<OrthogonalMatrix>(distribution) ||
         std::holds_alternative<DeltaOrthogonalKernel>(distribution) ||
         std::holds_alternative<SparseNormal>(distribution);
}

bool IsMadeWhole(const Draw& draw) {
  if (draw.sequence == nullptr) return IsMadeWhole(draw.distribution);
  return torch_cpu::IsMadeWhole(draw.sequence->dialect,
                                draw.sequence->steps[static_cast<std::size_t>(draw.step)]);
}

bool IsMadeWhole(const ModelPlan& plan, int tensor) {
  const std::span<const Draw> draws = plan.DrawsOf(tensor);
  return std::any_of(draws.begin(), draws.end(),
                     [](const Draw& draw) { return IsMadeWhole(draw); });
}

Expected ExpectedOf(const Distribution& distribution, std::span<const std::int64_t> shape,
                    TruncationCache& cache) {
  const double total = Product(shape);
  return std::visit(
      Overloaded{
          [](const FilledWith& d) {
            return Expected{d.value, 0, d.value, d.value};
          },
          [&](const DiagonalOf& d) {
            return MostlyZero(d.gain, static_cast<double>(std::min(shape[0], shape[1])), total);
          },
          [&](const DiracDelta& d) {
            return MostlyZero(
                1, static_cast<double>(d.groups * std::min(shape[0] / d.groups, shape[1])), total);
          },
          [](const UniformOn& d) {
            return Expected{(d.low + d.high) / 2, (d.high - d.low) / std::sqrt(12.0), d.low,
                            d.high};
          },
          [](const NormalWith& d) {
            return Expected{d.mean, d.std, d.std == 0 ? d.mean : -kInfinity,
                            d.std == 0 ? d.mean : kInfinity};
          },
          [&](const TruncatedNormalWith& d) { return ExpectedTruncated(d, cache); },
          [](const SparseNormal& d) {
            const double kept =
                static_cast<double>(d.rows - d.zeros_per_column) / static_cast<double>(d.rows);
            const bool constant = kept == 0 || d.std == 0;
            return Expected{0, d.std * std::sqrt(kept), constant ? 0.0 : -kInfinity,
                            constant ? 0.0 : kInfinity};
          },
          // Each of the shorter side's vectors has length gain.
          [](const OrthogonalMatrix& d) {
            return Expected{0, d.gain / std::sqrt(static_cast<double>(std::max(d.rows, d.cols))),
                            -d.gain, d.gain};
          },
          [&](const DeltaOrthogonalKernel& d) {
            return Expected{0, d.gain * std::sqrt(static_cast<double>(d.in) / total), -d.gain,
                            d.gain};
          },
      },
      distribution);
}

std::vector<std::string> RangeWarnings(const Distribution& distribution, const Expected& expected,
                                       DType dtype) {
  struct DTypeRange {
    double largest, smallest;
  };
  const auto range = [&]() -> DTypeRange {
    switch (dtype) {
      case DType::kBFloat16:
        return {0x1.FEp127, 0x1p-133};
      case DType::kFloat16:
        return {65504, 0x1p-24};
      case DType::kFloat8E4M3FN:
        return {448, 0x1p-9};
      case DType::kFloat8E5M2:
        return {57344, 0x1p-16};
      default:
        return {kInfinity, 0x1p-149};
    }
  }();
  const double low = std::max(expected.min, expected.mean - kReachableSigmas * expected.std);
  const double high = std::min(expected.max, expected.mean + kReachableSigmas * expected.std);
  const double reach = std::max(std::abs(low), std::abs(high));
  std::vector<std::string> warnings;
  if (reach > range.largest) {
    const bool saturates = dtype == DType::kFloat8E4M3FN || dtype == DType::kFloat8E5M2;
    warnings.push_back("values up to " + FormatNumber(reach) +
                       " can occur: " + std::string(Name(dtype)) +
                       (saturates ? " saturates at " : " overflows to infinity beyond ") +
                       FormatNumber(range.largest));
  }
  if (IsRandom(distribution) && expected.std > 0 && IsFloatingPoint(dtype) &&
      expected.std < range.smallest) {
    warnings.push_back("std = " + FormatNumber(expected.std) + " underflows " +
                       std::string(Name(dtype)) + ", whose smallest number is " +
                       FormatNumber(range.smallest));
  }
  return warnings;
}

}  // namespace weightinit
