#include "lib/plan/torch_sequence.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lib/base/text.h"
#include "lib/layout/view_parts.h"
#include "lib/plan/resolve_method.h"
#include "lib/plan/torch_stream.h"
#include "lib/recipe/replay_draws.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

using torch_cpu::Step;

std::int64_t SizeOf(const Shape& shape) {
  std::int64_t size = 1;  // no more than the tensor's
  for (const std::int64_t dim : shape) size *= dim;
  return size;
}

class TorchSequence {
 public:
  TorchSequence(const Recipe& recipe, std::span<const int> draw_origin,
                const std::function<std::string(std::size_t)>& path_of, ModelPlan& plan)
      : recipe_(recipe),
        torch_(std::get<TorchCpu>(recipe.generator)),
        draw_origin_(draw_origin),
        path_of_(path_of),
        plan_(plan) {}

  absl::Status Add() {
    absl::Status status = ReadStart();
    if (!status.ok()) return status;
    status = CheckSeeds();
    if (!status.ok()) return status;
    status = recipe_.draws.empty() ? TakeInOrder() : TakeDraws();
    if (!status.ok()) return status;
    auto sequence = std::make_shared<const torch_cpu::Sequence>(
        torch_cpu::MakeSequence(dialect_, start_, std::move(steps_)));
    for (Draw& draw : plan_.draws) {
      if (draw.step >= 0) draw.sequence = sequence;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status ReadStart() {
    auto version = ParseTorchVersion(torch_.torch_version, "generator.torch_cpu.torch_version");
    if (!version.ok()) return version.status();
    dialect_ = {torch_.variant, *version};
    start_ = torch_cpu::SeededState(recipe_.seed);
    if (torch_.start_state.empty()) return absl::OkStatus();
    constexpr char kField[] = "generator.torch_cpu.start_state";
    if (recipe_.seed != 0)
      return FieldError(kField, "given together with seed = " + std::to_string(recipe_.seed) +
                                    "; allowed: one of the two");
    auto state = torch_cpu::ParseState(std::as_bytes(std::span(torch_.start_state)), kField);
    if (!state.ok()) return state.status();
    start_ = *state;
    return absl::OkStatus();
  }

  // One stream has one seed.
  absl::Status CheckSeeds() const {
    for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
      for (const Draw& draw : plan_.DrawsOf(static_cast<int>(i))) {
        if (draw.seed != recipe_.seed)
          return FieldError(path_of_(i) + ".seed", std::to_string(draw.seed) +
                                                       ", though torch_cpu draws the whole model "
                                                       "from one stream; allowed: the recipe's");
      }
    }
    return absl::OkStatus();
  }

  bool HasOwnDraws(std::size_t i) const { return !IsTied(recipe_.tensors[i].view); }

  absl::Status TakeInOrder() {
    for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
      const absl::Status status = TakeTensor(i, path_of_(i));
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status TakeDraws() {
    std::unordered_map<std::string_view, std::size_t> index;
    for (std::size_t i = 0; i < recipe_.tensors.size(); ++i)
      index.emplace(recipe_.tensors[i].name, i);
    std::vector<std::size_t> last_of_tensor(recipe_.tensors.size(), recipe_.draws.size());
    std::vector<std::size_t> tensor_of_draw;
    for (std::size_t k = 0; k < recipe_.draws.size(); ++k) {
      const auto found = index.find(recipe_.draws[k].name);
      if (found == index.end())
        return FieldError(PathOfDraw(k) + ".name", Quote(recipe_.draws[k].name) +
                                                       " is skipped by a rule, or not covered; "
                                                       "allowed: tensors of the model");
      tensor_of_draw.push_back(found->second);
      last_of_tensor[found->second] = k;
    }
    for (std::size_t i = 0; i < recipe_.tensors.size(); ++i) {
      if (HasOwnDraws(i) && last_of_tensor[i] == recipe_.draws.size() && IsRandomTensor(i))
        return FieldError(path_of_(i) + ".name",
                          Quote(recipe_.tensors[i].name) +
                              " is in no draw; allowed: every random tensor in at least one");
    }
    for (std::size_t k = 0; k < recipe_.draws.size(); ++k) {
      const std::size_t i = tensor_of_draw[k];
      const absl::Status status =
          last_of_tensor[i] == k ? TakeTensor(i, PathOfDraw(k)) : TakeEarlier(i, k);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  std::string PathOfDraw(std::size_t k) const {
    return DrawPath(static_cast<std::size_t>(draw_origin_[k]));
  }
  bool IsRandomTensor(std::size_t i) const {
    const auto draws = plan_.DrawsOf(static_cast<int>(i));
    return std::any_of(draws.begin(), draws.end(),
                       [](const Draw& draw) { return IsRandom(draw.distribution); });
  }

  // The draw that the tensor holds.
  absl::Status TakeTensor(std::size_t i, const std::string& path) {
    if (!HasOwnDraws(i)) return absl::OkStatus();
    TensorPlan& tensor = plan_.tensors[i];
    for (int d = tensor.first_draw; d < tensor.first_draw + tensor.num_draws; ++d) {
      Draw& draw = plan_.draws[static_cast<std::size_t>(d)];
      const Step step{draw.distribution, tensor.dtype, SizeOf(draw.shape), static_cast<int>(i)};
      if (!Counts(step)) continue;
      WarnOfBounds(draw.distribution, tensor);
      draw.step = static_cast<std::int64_t>(steps_.size());
      const std::string note = torch_cpu::ApproximationOf(dialect_, step);
      if (!note.empty() &&
          std::find(tensor.notes.begin(), tensor.notes.end(), note) == tensor.notes.end())
        tensor.notes.push_back(note);
      const absl::Status status = Take(step, path);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // torch.nn.init.trunc_normal_(w, std=0.02) cuts at -2 and 2, not at -0.04 and 0.04.
  static void WarnOfBounds(const Distribution& distribution, TensorPlan& tensor) {
    const auto* truncated = std::get_if<TruncatedNormalWith>(&distribution);
    if (truncated == nullptr || truncated->clamp.has_value() ||
        (truncated->mean == 0 && truncated->std == 1) ||
        !std::holds_alternative<TruncatedNormal>(tensor.init))
      return;
    const torch_cpu::TruncNormalFill fill = torch_cpu::FillOf(*truncated);
    tensor.warnings.push_back("bounds are multiples of std, so that this is trunc_normal_ with a=" +
                              FormatNumber(fill.a) + ", b=" + FormatNumber(fill.b) +
                              "; torch's own a and b are bounds of the value, as with "
                              "bounds=ABSOLUTE");
  }

  // A draw that a later one replaces.
  absl::Status TakeEarlier(std::size_t i, std::size_t k) {
    const TensorPlan& tensor = plan_.tensors[i];
    const TensorSpec& spec = recipe_.tensors[i];
    const auto& init = recipe_.draws[k].init;
    const std::string path = PathOfDraw(k);
    if (!init.has_value()) {
      for (const Draw& draw : plan_.DrawsOf(static_cast<int>(i))) {
        const Step step{draw.distribution, tensor.dtype, SizeOf(draw.shape), static_cast<int>(i)};
        const absl::Status status = Counts(step) ? Take(step, path) : absl::OkStatus();
        if (!status.ok()) return status;
      }
      return absl::OkStatus();
    }
    // torch draws the tensor as it lies; how its draws are laid out does not enter.
    const std::string shape_path = path_of_(i) + ".shape";
    auto method = ResolveMethod(*init, {.shape = spec.shape,
                                        .dtype = tensor.dtype,
                                        .empty = tensor.num_elements == 0,
                                        .geometry = spec.fan.value_or(FanGeometry{}),
                                        .scale = std::nullopt,
                                        .truncations = truncations_,
                                        .as_jax = false,
                                        .init_field = path + ".init",
                                        .shape_field = shape_path,
                                        .fan_field = path_of_(i) + ".fan",
                                        .dtype_field = path_of_(i) + ".dtype",
                                        .scale_field = path_of_(i) + ".scale"});
    if (!method.ok()) return method.status();
    const Step step{method->distribution, tensor.dtype, tensor.num_elements, static_cast<int>(i)};
    return Counts(step) ? Take(step, path) : absl::OkStatus();
  }

  static bool Counts(const Step& step) { return step.elements > 0 && IsRandom(step.distribution); }

  absl::Status Take(const Step& step, const std::string& path) {
    const std::string refusal = torch_cpu::RefusalOf(dialect_, step);
    if (!refusal.empty()) return FieldError(path + ".init", refusal);
    steps_.push_back(step);
    return absl::OkStatus();
  }

  const Recipe& recipe_;
  const TorchCpu& torch_;
  std::span<const int> draw_origin_;
  const std::function<std::string(std::size_t)>& path_of_;
  ModelPlan& plan_;
  torch_cpu::Dialect dialect_;
  torch_cpu::State start_;
  std::vector<Step> steps_;
  TruncationCache truncations_;
};

}  // namespace

absl::Status AddTorchSequence(const Recipe& recipe, std::span<const int> draw_origin,
                              const std::function<std::string(std::size_t)>& path_of,
                              ModelPlan& plan) {
  return TorchSequence(recipe, draw_origin, path_of, plan).Add();
}

}  // namespace weightinit
