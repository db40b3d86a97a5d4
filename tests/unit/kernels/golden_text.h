// The text of tests/golden/philox_v1.json as a target computes it: tools/make_golden.cc writes it
// with the scalar reference, golden_test.cc compares it for every target.
#ifndef WEIGHTINIT_TESTS_UNIT_KERNELS_GOLDEN_TEXT_H_
#define WEIGHTINIT_TESTS_UNIT_KERNELS_GOLDEN_TEXT_H_

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/unit/kernels/test_draws.h"

namespace weightinit::kernels {

inline constexpr std::int64_t kDigestCount = 100'003;
inline constexpr std::uint64_t kFarIndex = (std::uint64_t{1} << 34) + 5;
inline constexpr std::uint64_t kFarthestIndex = (std::uint64_t{1} << 63) - 6;

inline std::string Hex(std::uint64_t bits, std::size_t width) {
  char text[17];
  std::snprintf(text, sizeof(text), "%0*" PRIx64, static_cast<int>(2 * width), bits);
  return text;
}

inline std::string HexList(const std::vector<std::byte>& data, std::size_t width) {
  std::string text;
  for (std::size_t i = 0; i < data.size() / width; ++i) {
    text += (i == 0 ? "\"" : ", \"") + Hex(BitsAt(data.data(), i, width), width) + "\"";
  }
  return "[" + text + "]";
}

// One line per distribution and dtype.
inline std::string GoldenText(const Kernels& kernels) {
  std::string text =
      "{\n\"generator\": \"PHILOX_V1\",\n\"seed\": \"0123456789abcdef\",\n"
      "\"subsequence\": \"f3b4a76504bd528c\",\n\"draws\": [\n";
  bool first = true;
  for (const Distribution& distribution : Distributions()) {
    for (const NamedDType& dtype : kFloatingDTypes) {
      if (!first) text += ",\n";
      first = false;
      const auto run = Draw(distribution, kernels, 0, kDigestCount, dtype);
      text += "{\"draw\": \"" + distribution.name + "\", \"dtype\": \"" + dtype.name +
              "\", \"at_0\": " + HexList(Draw(distribution, kernels, 0, 8, dtype), dtype.width) +
              ", \"at_" + std::to_string(kFarIndex) +
              "\": " + HexList(Draw(distribution, kernels, kFarIndex, 4, dtype), dtype.width) +
              ", \"at_" + std::to_string(kFarthestIndex) +
              "\": " + HexList(Draw(distribution, kernels, kFarthestIndex, 4, dtype), dtype.width) +
              ", \"digest_of_" + std::to_string(kDigestCount) + "\": \"" +
              Hex(Digest(run, 0, dtype.width), 8) + "\"}";
    }
  }
  return text + "\n]\n}\n";
}

}  // namespace weightinit::kernels

#endif  // WEIGHTINIT_TESTS_UNIT_KERNELS_GOLDEN_TEXT_H_
