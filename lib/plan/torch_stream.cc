#include "lib/plan/torch_stream.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/sha256.h"
#include "lib/base/text.h"

namespace weightinit::torch_cpu {
namespace {

std::string StepText(const Step& step) {
  std::string text = absl::StrCat(std::string(Name(step.dtype)), " ", step.elements, " ",
                                  std::string(Name(step.distribution)));
  if (const auto* truncated = std::get_if<TruncatedNormalWith>(&step.distribution)) {
    const TruncNormalFill fill = FillOf(*truncated);  // its other numbers are PHILOX_V1's
    for (const double value : {fill.mean, fill.std, fill.a, fill.b})
      absl::StrAppend(&text, " ", FormatHex(value));
    return text;
  }
  for (const auto& [name, value] : Numbers(step.distribution))
    absl::StrAppend(&text, " ", name, "=", FormatHex(value));
  return text;
}

Fingerprint Following(const Fingerprint& key, std::string_view text) {
  std::string bytes(reinterpret_cast<const char*>(key.data()), key.size());
  return Sha256(bytes.append(text));
}

}  // namespace

Sequence MakeSequence(const Dialect& dialect, const State& start, std::vector<Step> steps) {
  Sequence sequence{dialect, start, std::move(steps), {}, {}};
  // The seed itself does not matter beside the state.
  State without_seed = start;
  without_seed.seed = 0;
  const auto state = SerializeState(without_seed);
  sequence.keys.push_back(Following(
      Sha256({reinterpret_cast<const char*>(state.data()), state.size()}),
      absl::StrCat(std::string(Name(dialect.variant)), " ", dialect.since_2_12() ? "2.12" : "2.11",
                   " ", dialect.rounds_each_float16_step() ? "2.1" : "2.0")));
  std::int64_t peak = 0;
  for (const Step& step : sequence.steps) {
    sequence.keys.push_back(Following(sequence.keys.back(), StepText(step)));
    if (dialect.since_2_12() && std::holds_alternative<TruncatedNormalWith>(step.distribution)) {
      // Two tensors, and an index for each element that lies outside.
      const double bytes =
          static_cast<double>(step.elements) * static_cast<double>(2 * SizeBytes(step.dtype) + 8);
      peak = std::max(peak, bytes < 0x1p62 ? static_cast<std::int64_t>(bytes)
                                           : std::numeric_limits<std::int64_t>::max());
    }
    sequence.peak_bytes.push_back(peak);
  }
  return sequence;
}

TruncNormalFill FillOf(const TruncatedNormalWith& d) {
  if (d.clamp.has_value())
    return {.mean = d.mean, .std = d.std, .a = d.clamp->first, .b = d.clamp->second};
  return {.mean = d.mean,
          .std = d.std,
          .a = d.mean + d.low_sigma * d.std,
          .b = d.mean + d.high_sigma * d.std};
}

std::string RefusalOf(const Dialect& dialect, const Step& step) {
  const std::string dtype(Name(step.dtype));
  if (!IsFilled(step.dtype))
    return dtype + " has no random fills in torch; allowed: FLOAT32, FLOAT64, BFLOAT16, FLOAT16";
  if (std::holds_alternative<DeltaOrthogonalKernel>(step.distribution))
    return "torch.nn.init has no delta_orthogonal; allowed: its own initializers";
  if (std::holds_alternative<OrthogonalMatrix>(step.distribution) && SizeBytes(step.dtype) == 2)
    return "torch has no orthogonal_ of " + dtype + "; allowed: FLOAT32, FLOAT64";
  if (const auto* sparse = std::get_if<SparseNormal>(&step.distribution)) {
    constexpr std::int64_t kMostRows = std::numeric_limits<std::uint32_t>::max() / 20;
    if (sparse->rows > kMostRows)
      return std::to_string(sparse->rows) + " rows; torch permutes more than " +
             std::to_string(kMostRows) + " in another way";
  }
  const auto* truncated = std::get_if<TruncatedNormalWith>(&step.distribution);
  if (truncated == nullptr) return "";
  if (!(truncated->std > 0)) return "torch divides by std; allowed for torch_cpu: more than 0";
  if (dialect.since_2_12() && !RejectsNormals(FillOf(*truncated)))
    return "less than 30 % of the normal distribution lies within the bounds: torch 2.12 then "
           "draws "
           "in a way that is not replayed; allowed: wider bounds";
  if (!dialect.since_2_12() && step.dtype == DType::kFloat16)
    return "torch has no trunc_normal_ of FLOAT16 on the CPU; allowed: FLOAT32, FLOAT64, BFLOAT16";
  return "";
}

std::string ApproximationOf(const Dialect& dialect, const Step& step) {
  const std::string approximate = "approximate: ";
  const bool narrow = SizeBytes(step.dtype) == 2;
  const bool truncated = std::holds_alternative<TruncatedNormalWith>(step.distribution);
  if (std::holds_alternative<OrthogonalMatrix>(step.distribution))
    return approximate + "the normals are torch's, the factorization is not; within about 1e-6";
  if (truncated && !dialect.since_2_12())
    return approximate +
           "equals torch built without MKL (Debian, aarch64) and with the same libm; PyPI's x86-64 "
           "wheels call MKL";
  if (dialect.since_2_12() && (narrow || truncated))
    return approximate + "torch 2.12's arithmetic was read in its sources, not compared with it";
  if (std::holds_alternative<UniformOn>(step.distribution)) return "";
  // Normals, sparse or not.
  if (step.dtype == DType::kFloat64)
    return approximate + "FLOAT64 normals depend on libm in the last bit";
  if (!IsFilledInBlocks(step.elements))
    return approximate +
           "fewer than 16 normals are libm's, in binary64: about one value in 10^8 may be rounded "
           "otherwise";
  if (step.dtype == DType::kFloat16 && dialect.rounds_each_float16_step())
    return approximate +
           "FLOAT16 normals of torch 2.1 to 2.11 were read in its sources, not "
           "compared with it";
  if (narrow || !dialect.vector_normals())
    return approximate + std::string(narrow ? "16-bit normals" : "the portable kernels") +
           " depend on libm; exact where it is glibc";
  return "";
}

bool IsMadeWhole(const Dialect& dialect, const Step& step) {
  return std::holds_alternative<OrthogonalMatrix>(step.distribution) ||
         std::holds_alternative<SparseNormal>(step.distribution) ||
         (std::holds_alternative<TruncatedNormalWith>(step.distribution) && dialect.since_2_12());
}

}  // namespace weightinit::torch_cpu
