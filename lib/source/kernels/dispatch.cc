// Which targets there are, and which one is taken.
#include "lib/source/kernels/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/source/kernels/dispatch.cc"
#include "hwy/foreach_target.h"
#include "lib/source/kernels/vector-inl.h"

#if WEIGHTINIT_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace weightinit::kernels::HWY_NAMESPACE {

struct Vector {
  static constexpr std::string_view kName = HWY_TARGET == HWY_SSE4   ? "sse4"
                                            : HWY_TARGET == HWY_AVX2 ? "avx2"
                                            : HWY_TARGET == HWY_AVX3 ? "avx512"
                                                                     : "neon";
  static constexpr auto words = Words;
  static constexpr auto uniform = Uniform;
  static constexpr auto normal = Normal;
  static constexpr auto truncated_normal = TruncatedNormal;
  static constexpr auto normal_of_words = NormalOfWords;
  static constexpr auto truncated_normal_of_words = TruncatedNormalOfWords;
  static constexpr auto affine64 = AffineToF64;
  static constexpr auto convert = Convert;
  static constexpr auto digest = Digest;
};

const Kernels& VectorKernels() { return kTable<Vector>; }

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#if HWY_ONCE
#include <array>
#include <cstdlib>

namespace weightinit::kernels {
namespace {

struct Available {
  std::array<const Kernels*, 8> tables{};
  std::size_t count = 0;

  void Add(const Kernels& kernels) { tables[count++] = &kernels; }
};

Available Detect() {
  Available available;
  available.Add(ScalarKernels());
  [[maybe_unused]] const auto supported = hwy::SupportedTargets();
#if HWY_TARGETS & HWY_NEON
  if (supported & HWY_NEON) available.Add(N_NEON::VectorKernels());
#endif
#if HWY_TARGETS & HWY_SSE4
  if (supported & HWY_SSE4) available.Add(N_SSE4::VectorKernels());
#endif
#if HWY_TARGETS & HWY_AVX2
  if (supported & HWY_AVX2) available.Add(N_AVX2::VectorKernels());
#endif
#if HWY_TARGETS & HWY_AVX3
  if (supported & HWY_AVX3) available.Add(N_AVX3::VectorKernels());
#endif
  return available;
}

}  // namespace

std::span<const Kernels* const> AllKernels() {
  static const Available available = Detect();
  return {available.tables.data(), available.count};
}

const Kernels* FindKernels(std::string_view target) {
  for (const Kernels* kernels : AllKernels()) {
    if (kernels->target == target) return kernels;
  }
  return nullptr;
}

Selection SelectKernels(std::string_view forced) {
  const Kernels* const found = FindKernels(forced);
  return {.kernels = found != nullptr ? found : AllKernels().back(),
          .requested = forced,
          .ignored = found == nullptr && !forced.empty()};
}

const Kernels& KernelsFor(std::string_view forced) { return *SelectKernels(forced).kernels; }

const Selection& SelectionFromEnvironment() {
  static const Selection selection = [] {
    const char* const variable = std::getenv("WEIGHTINIT_SIMD");
    return SelectKernels(variable == nullptr ? "" : variable);
  }();
  return selection;
}

const Kernels& BestKernels() { return *SelectionFromEnvironment().kernels; }

}  // namespace weightinit::kernels
#endif  // HWY_ONCE
