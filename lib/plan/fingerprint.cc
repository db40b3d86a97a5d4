// The plan as canonical text, whose SHA-256 is the fingerprint.
#include <algorithm>
#include <numeric>
#include <span>

#include "absl/strings/str_cat.h"
#include "lib/base/text.h"
#include "lib/plan/distribution.h"
#include "lib/plan/jax_keys.h"
#include "lib/plan/torch_stream.h"
#include "weightinit/plan.h"

namespace weightinit {
namespace {

// The version of this text. It changes only together with the meaning of a line.
constexpr char kHeading[] = "weightinit-plan-v1\n";

// "philox_v1 seed=… subsequence=… normal mean=0x0p+0 std=0x1.47ae147ae147bp-6"; words do not enter
// where nothing is random.
std::string DrawText(const Generator& generator, const Draw& draw, TruncationCache& cache) {
  std::string text = "closed_form";
  if (draw.sequence != nullptr) {
    // All that was drawn before, and how.
    text = std::string(Name(generator)) +
           " after=" + ToHex(draw.sequence->keys[static_cast<std::size_t>(draw.step)]);
  } else if (draw.jax_key.has_value()) {
    text = absl::StrCat(std::string(Name(generator)), " ", ToString(*draw.jax_key));
  } else if (IsRandom(draw.distribution)) {
    text =
        absl::StrCat(std::string(Name(generator)), " seed=", absl::Hex(draw.seed, absl::kZeroPad16),
                     " subsequence=", absl::Hex(draw.subsequence, absl::kZeroPad16));
  }
  absl::StrAppend(&text, " ", std::string(Name(draw.distribution)));
  for (const auto& [name, value] : Numbers(draw.distribution, cache))
    absl::StrAppend(&text, " ", name, "=", FormatHex(value));
  return text;
}

// " 64 3 7 7"; " scalar"
std::string ShapeText(const Shape& shape) {
  if (shape.empty()) return " scalar";
  std::string text;
  for (const std::int64_t dim : shape) absl::StrAppend(&text, " ", dim);
  return text;
}

// The draws by their place among the tensor's, then the tiles: "tile 0+4/8 0+8/1 draw 1 base 32".
std::string TilesText(const ModelPlan& plan, const TensorPlan& tensor, const TiledLayout& layout,
                      TruncationCache& cache) {
  std::string text = "\n  layout tiles";
  const std::span<const Draw> draws = std::span(plan.draws)
                                          .subspan(static_cast<std::size_t>(tensor.first_draw),
                                                   static_cast<std::size_t>(tensor.num_draws));
  for (const Draw& draw : draws) {
    absl::StrAppend(&text, "\n  shape", ShapeText(draw.shape), "\n  draw ",
                    DrawText(plan.generator, draw, cache));
  }
  for (const Tile& tile : layout.tiles) {
    absl::StrAppend(&text, "\n  tile");
    for (const Tile::Dim& dim : tile.dims)
      absl::StrAppend(&text, " ", dim.start, "+", dim.size, "/", dim.stride);
    if (tile.draw == Tile::kZeros) {
      absl::StrAppend(&text, " zeros");
    } else {
      absl::StrAppend(&text, " draw ", tile.draw - tensor.first_draw, " base ", tile.base);
    }
  }
  return text;
}

}  // namespace

std::string CanonicalText(const ModelPlan& plan) {
  std::vector<std::size_t> order(plan.tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return plan.tensors[a].name < plan.tensors[b].name;
  });
  TruncationCache cache;
  std::string text = kHeading;
  for (const std::size_t i : order) {
    const TensorPlan& tensor = plan.tensors[i];
    // The name's length makes the text unambiguous whatever the name holds.
    absl::StrAppend(&text, "tensor ", tensor.name.size(), " ", tensor.name, "\n  shape",
                    ShapeText(tensor.shape), "\n  dtype ", std::string(Name(tensor.dtype)));
    if (tensor.tied_to.has_value()) {
      const std::string& other = plan.tensors[static_cast<std::size_t>(*tensor.tied_to)].name;
      absl::StrAppend(&text, "\n  tied ", other.size(), " ", other, "\n");
    } else if (const auto* identity = std::get_if<IdentityLayout>(&tensor.layout)) {
      absl::StrAppend(
          &text, "\n  layout identity\n  draw ",
          DrawText(plan.generator, plan.draws[static_cast<std::size_t>(identity->draw)], cache),
          "\n");
    } else {
      absl::StrAppend(&text, TilesText(plan, tensor, std::get<TiledLayout>(tensor.layout), cache),
                      "\n");
    }
  }
  return text;
}

std::string ToHex(std::span<const std::uint8_t> bytes) {
  std::string hex;
  for (const std::uint8_t byte : bytes) absl::StrAppend(&hex, absl::Hex(byte, absl::kZeroPad2));
  return hex;
}

}  // namespace weightinit
