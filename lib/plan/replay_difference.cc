#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/base/text.h"
#include "lib/plan/torch_stream.h"
#include "weightinit/replay.h"

namespace weightinit {
namespace {

using Differences = std::vector<ReplayDifference>;

void Add(std::string what, std::string left, std::string right, Differences& differences) {
  if (left != right) differences.push_back({std::move(what), std::move(left), std::move(right)});
}

std::string VersionText(const TorchVersion& version) {
  return absl::StrCat(version.major, ".", version.minor);
}

// Where a torch stream starts.
std::string StartText(const ModelPlan& plan) {
  return std::get<TorchCpu>(plan.generator).start_state.empty()
             ? "seed " + std::to_string(plan.seed)
             : "a start_state";
}

// The k-th step: "a: normal mean=0 std=1, 100 FLOAT32".
std::string StepText(const ModelPlan& plan, const Draw& draw, std::size_t k) {
  if (k == static_cast<std::size_t>(draw.step)) return "this one";
  const torch_cpu::Step& step = draw.sequence->steps[k];
  std::string text = absl::StrCat(plan.tensors[static_cast<std::size_t>(step.tensor)].name, ": ",
                                  std::string(Name(step.distribution)));
  if (const auto* truncated = std::get_if<TruncatedNormalWith>(&step.distribution)) {
    const torch_cpu::TruncNormalFill fill = torch_cpu::FillOf(*truncated);
    absl::StrAppend(&text, " mean=", FormatNumber(fill.mean), " std=", FormatNumber(fill.std),
                    " a=", FormatNumber(fill.a), " b=", FormatNumber(fill.b));
  } else {
    for (const auto& [name, value] : Numbers(step.distribution))
      absl::StrAppend(&text, " ", name, "=", FormatNumber(value));
  }
  return absl::StrCat(text, ", ", step.elements, " ", std::string(Name(step.dtype)));
}

Differences DiffTorch(const ModelPlan& left, const Draw& a, const ModelPlan& right, const Draw& b) {
  Differences differences;
  const torch_cpu::Sequence &x = *a.sequence, &y = *b.sequence;
  const auto last_a = static_cast<std::size_t>(a.step), last_b = static_cast<std::size_t>(b.step);
  if (x.keys[last_a] == y.keys[last_b]) return differences;
  Add("variant", std::string(Name(x.dialect.variant)), std::string(Name(y.dialect.variant)),
      differences);
  if (x.dialect.since_2_12() != y.dialect.since_2_12() ||
      x.dialect.rounds_each_float16_step() != y.dialect.rounds_each_float16_step())
    Add("torch_version", VersionText(x.dialect.version), VersionText(y.dialect.version),
        differences);
  torch_cpu::State start_x = x.start, start_y = y.start;
  start_x.seed = start_y.seed = 0;  // the number itself does not enter
  if (start_x != start_y) {
    const std::string start = StartText(left), other = StartText(right);
    Add("start", start, start == other ? "another one" : other, differences);
  }
  if (!differences.empty()) return differences;
  // Both start alike, and part at some step.
  const std::size_t most = std::min(last_a, last_b);
  std::size_t k = 0;
  while (k < most && x.keys[k + 1] == y.keys[k + 1]) ++k;
  Add(absl::StrCat("draw ", k + 1, " of the stream"), StepText(left, a, k), StepText(right, b, k),
      differences);
  // Steps that read alike are told apart by their keys.
  if (differences.empty())
    Add("what was drawn before", ToHex(x.keys[last_a]), ToHex(y.keys[last_b]), differences);
  return differences;
}

Differences DiffJax(const JaxKey& left, const JaxKey& right) {
  const auto text = [](const JaxKey& key) {
    return absl::StrCat("(", key.first, ", ", key.second, ")");
  };
  Differences differences;
  Add("key", text(left), text(right), differences);
  Add("layout of words", std::string(Name(left.layout)), std::string(Name(right.layout)),
      differences);
  return differences;
}

}  // namespace

Differences DiffReplays(const ModelPlan& left, const Draw& left_draw, const ModelPlan& right,
                        const Draw& right_draw) {
  if (left_draw.sequence != nullptr && right_draw.sequence != nullptr)
    return DiffTorch(left, left_draw, right, right_draw);
  if (left_draw.jax_key.has_value() && right_draw.jax_key.has_value())
    return DiffJax(*left_draw.jax_key, *right_draw.jax_key);
  return {};  // parts without elements take no words
}

}  // namespace weightinit
