// The plan as canonical text, whose SHA-256 is the fingerprint.
#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/text.h"
#include "weightinit/plan.h"

namespace weightinit {
namespace {

// The version of this text. It changes only together with the meaning of a line.
constexpr char kHeading[] = "weightinit-plan-v1\n";

// "philox_v1 seed=… subsequence=… normal mean=0x0p+0 std=0x1.47ae147ae147bp-6"; words do not enter
// where nothing is random.
std::string DrawText(const Generator& generator, const Draw& draw) {
  std::string text = "closed_form";
  if (IsRandom(draw.distribution)) {
    text = std::string(Name(generator)) +
           absl::StrFormat(" seed=%016x subsequence=%016x", draw.seed, draw.subsequence);
  }
  absl::StrAppend(&text, " ", std::string(Name(draw.distribution)));
  for (const auto& [name, value] : Numbers(draw.distribution))
    absl::StrAppend(&text, " ", name, "=", FormatHex(value));
  return text;
}

}  // namespace

std::string CanonicalText(const ModelPlan& plan) {
  std::vector<std::size_t> order(plan.tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return plan.tensors[a].name < plan.tensors[b].name;
  });
  std::string text = kHeading;
  for (const std::size_t i : order) {
    const TensorPlan& tensor = plan.tensors[i];
    // The name's length makes the text unambiguous whatever the name holds.
    absl::StrAppend(&text, "tensor ", tensor.name.size(), " ", tensor.name, "\n  shape",
                    tensor.shape.empty() ? " scalar" : "");
    for (const std::int64_t dim : tensor.shape) absl::StrAppend(&text, " ", dim);
    absl::StrAppend(&text, "\n  dtype ", std::string(Name(tensor.dtype)),
                    "\n  layout identity\n  draw ",
                    DrawText(plan.generator, plan.DrawOf(static_cast<int>(i))), "\n");
  }
  return text;
}

std::string ToHex(std::span<const std::uint8_t> bytes) {
  std::string hex;
  for (const std::uint8_t byte : bytes) absl::StrAppend(&hex, absl::Hex(byte, absl::kZeroPad2));
  return hex;
}

}  // namespace weightinit
