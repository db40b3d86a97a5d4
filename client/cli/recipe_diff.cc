#include "client/cli/recipe_diff.h"

#include <charconv>
#include <cstdio>
#include <iterator>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include "weightinit/replay.h"

namespace weightinit::client {
namespace {

constexpr char kOnlyLeft[] = "only in the first", kOnlyRight[] = "only in the second";

// As few digits as tell the number from every other.
std::string NumberText(double number) {
  char text[32];
  return {text, std::to_chars(text, std::end(text), number).ptr};
}

std::string SubsequenceText(std::uint64_t subsequence) {
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(subsequence));
  return text;
}

class Comparison {
 public:
  explicit Comparison(TensorDifference& difference) : difference_(difference) {}

  void Add(std::string_view what, const std::string& left, const std::string& right) {
    if (left != right) difference_.reasons.push_back({std::string(what), left, right});
  }

  void AddDraws(const ModelPlan& left, const Draw& a, const ModelPlan& right, const Draw& b,
                bool is_part) {
    const std::string of = is_part ? " of " + a.name : "";
    if (is_part) Add("shape" + of, ToString(a.shape), ToString(b.shape));
    AddDistributions(of, a.distribution, b.distribution);
    // Words count only where they enter.
    if (!IsRandom(a.distribution) || !IsRandom(b.distribution)) return;
    Add("generator", std::string(Name(left.generator)), std::string(Name(right.generator)));
    if (Name(left.generator) == Name(right.generator) &&
        !std::holds_alternative<PhiloxV1>(left.generator)) {
      for (const auto& [what, of_left, of_right] : DiffReplays(left, a, right, b))
        Add(what + of, of_left, of_right);
      return;
    }
    Add("seed" + of, std::to_string(a.seed), std::to_string(b.seed));
    if (Name(left.generator) != Name(right.generator)) return;
    Add("subsequence" + of, SubsequenceText(a.subsequence), SubsequenceText(b.subsequence));
  }

 private:
  void AddDistributions(const std::string& of, const Distribution& left,
                        const Distribution& right) {
    Add("distribution" + of, std::string(Name(left)), std::string(Name(right)));
    if (Name(left) != Name(right)) return;
    const auto right_numbers = Numbers(right);
    std::map<std::string, double> others(right_numbers.begin(), right_numbers.end());
    for (const auto& [name, number] : Numbers(left)) {
      const auto other = others.find(name);
      // Text of equal numbers is equal; −0 and 0 are the same here as in values.
      Add(name + of, NumberText(number),
          other == others.end() ? "none" : NumberText(other->second));
      if (other != others.end()) others.erase(other);
    }
    for (const auto& [name, number] : others) Add(name + of, "none", NumberText(number));
  }

  TensorDifference& difference_;
};

// The tiles with draws counted from the tensor's first; none for the identity.
std::vector<Tile> TilesOf(const TensorPlan& tensor) {
  const auto* tiled = std::get_if<TiledLayout>(&tensor.layout);
  if (tiled == nullptr) return {};
  std::vector<Tile> tiles = tiled->tiles;
  for (Tile& tile : tiles) {
    if (tile.draw != Tile::kZeros) tile.draw -= tensor.first_draw;
  }
  return tiles;
}

TensorDifference DiffTensors(const ModelPlan& left, int l, const ModelPlan& right, int r) {
  const TensorPlan& a = left.tensors[static_cast<std::size_t>(l)];
  const TensorPlan& b = right.tensors[static_cast<std::size_t>(r)];
  TensorDifference difference{.name = a.name, .reasons = {}};
  Comparison compare(difference);
  compare.Add("shape", ToString(a.shape), ToString(b.shape));
  compare.Add("dtype", std::string(Name(a.dtype)), std::string(Name(b.dtype)));
  compare.Add("layout", a.layout_text, b.layout_text);
  const std::span<const Draw> draws_a = left.DrawsOf(l), draws_b = right.DrawsOf(r);
  if (draws_a.size() != draws_b.size()) {
    compare.Add("number of draws", std::to_string(draws_a.size()), std::to_string(draws_b.size()));
    return difference;
  }
  for (std::size_t d = 0; d < draws_a.size(); ++d) {
    // Of a view, the first part that differs says why.
    if (d > 0 && !difference.reasons.empty()) break;
    compare.AddDraws(left, draws_a[d], right, draws_b[d], draws_a.size() > 1);
  }
  // Tiles that two layouts of one text cut differently: parts of other sizes.
  if (difference.reasons.empty() && TilesOf(a) != TilesOf(b)) {
    difference.reasons.push_back({"layout", a.layout_text, b.layout_text + " of other parts"});
  }
  return difference;
}

}  // namespace

std::vector<TensorDifference> DiffPlans(const ModelPlan& left, const ModelPlan& right) {
  std::vector<TensorDifference> differences;
  if (left.fingerprint == right.fingerprint) return differences;
  std::map<std::string_view, int> right_tensors;
  for (std::size_t r = 0; r < right.tensors.size(); ++r) {
    right_tensors.emplace(right.tensors[r].name, static_cast<int>(r));
  }
  std::set<std::string_view> both;
  for (std::size_t l = 0; l < left.tensors.size(); ++l) {
    const TensorPlan& tensor = left.tensors[l];
    const auto other = right_tensors.find(tensor.name);
    if (other == right_tensors.end()) {
      differences.push_back({tensor.name, {{kOnlyLeft, ToString(tensor.shape), ""}}});
      continue;
    }
    both.insert(tensor.name);
    TensorDifference difference = DiffTensors(left, static_cast<int>(l), right, other->second);
    if (!difference.reasons.empty()) differences.push_back(std::move(difference));
  }
  for (const TensorPlan& tensor : right.tensors) {
    if (!both.contains(tensor.name)) {
      differences.push_back({tensor.name, {{kOnlyRight, "", ToString(tensor.shape)}}});
    }
  }
  if (differences.empty()) {
    differences.push_back(
        {"", {{"fingerprint", ToHex(left.fingerprint), ToHex(right.fingerprint)}}});
  }
  return differences;
}

}  // namespace weightinit::client
