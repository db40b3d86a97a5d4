#include "lib/recipe/torch_modules.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "lib/base/text.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

using Steps = absl::StatusOr<std::vector<ConstructionStep>>;

Initializer UniformWithin(double bound) { return Uniform{.low = -bound, .high = bound}; }

// size(1)·Π size(2..), as _calculate_fan_in_and_fan_out.
double FanInOf(const Shape& weight) {
  double fan_in = 1;
  for (std::size_t d = 1; d < weight.size(); ++d) fan_in *= static_cast<double>(weight[d]);
  return fan_in;
}

Initializer KaimingOfSqrt5() {
  KaimingUniform init;
  init.negative_slope = std::sqrt(5.0);
  return init;
}

class Construction {
 public:
  Construction(std::string_view type, std::span<const ModuleTensor> tensors, std::string_view field)
      : type_(type), tensors_(tensors), field_(field), drawn_(tensors.size(), false) {}

  // Draws the tensor of that name, if the module has it.
  void Draw(std::string_view name, const Initializer& init) {
    if (const auto i = Find(name)) {
      steps_.push_back({*i, init});
      drawn_[*i] = true;
    }
  }
  const Shape* ShapeOf(std::string_view name) const {
    const auto i = Find(name);
    return i.has_value() ? &tensors_[*i].shape : nullptr;
  }
  bool Has(std::string_view name) const { return Find(name).has_value(); }

  // Of a tensor that every such module has; null if this one has not, which Take then refuses.
  const Shape* Require(std::string_view name) {
    const Shape* shape = ShapeOf(name);
    if (shape == nullptr)
      Refuse(Quote(name) + " is missing, which torch's " + std::string(type_) +
             " draws; allowed: the whole module");
    return shape;
  }
  // Draws a tensor that every such module has, of this shape.
  void DrawRequired(const std::string& name, const Shape& shape, const Initializer& init) {
    const Shape* own = Require(name);
    if (own == nullptr) return;
    if (*own != shape)
      Refuse(Quote(name) + " of " + ToString(*own) + " does not fit torch's " + std::string(type_) +
             "; allowed beside its other tensors: " + ToString(shape));
    Draw(name, init);
  }
  // The first refusal stays.
  void Refuse(const std::string& why) {
    if (refusal_.empty()) refusal_ = why;
  }

  // weight, then bias, with the weight's fan_in: Linear and convolutions.
  void DrawWeightAndBias(const std::string& prefix) {
    const Shape* weight = Require(prefix + "weight");
    if (weight == nullptr) return;
    Draw(prefix + "weight", KaimingOfSqrt5());
    const double fan_in = FanInOf(*weight);
    Draw(prefix + "bias", UniformWithin(fan_in > 0 ? 1 / std::sqrt(fan_in) : 0));
  }

  Steps Take() {
    if (!refusal_.empty()) return FieldError(field_, refusal_);
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (!drawn_[i])
        return FieldError(field_, Quote(tensors_[i].name) + " is no tensor of torch's " +
                                      std::string(type_) + ", as far as is known");
    }
    return std::move(steps_);
  }

 private:
  std::optional<std::size_t> Find(std::string_view name) const {
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (tensors_[i].name == name) return i;
    }
    return std::nullopt;
  }

  std::string_view type_;
  std::span<const ModuleTensor> tensors_;
  std::string_view field_;
  std::vector<bool> drawn_;
  std::vector<ConstructionStep> steps_;
  std::string refusal_;
};

void DrawLinear(Construction& module) { module.DrawWeightAndBias(""); }

void DrawBilinear(Construction& module) {
  const Shape* weight = module.Require("weight");
  if (weight == nullptr || weight->size() < 2) return;
  const double bound = 1 / std::sqrt(static_cast<double>((*weight)[1]));
  module.Draw("weight", UniformWithin(bound));
  module.Draw("bias", UniformWithin(bound));
}

void DrawEmbedding(Construction& module) {
  module.Require("weight");
  module.Draw("weight", Normal{});
}

void DrawPRelu(Construction& module) {
  module.Require("weight");
  module.Draw("weight", Constant{.value = 0.25});
}

// What the layers of a recurrent module share.
struct Recurrence {
  std::int64_t gates = 1, hidden = 0;
  std::int64_t out = 0;  // hidden, or what it is projected to
  bool biased = false, projected = false;
};

// None, and a refusal, where the rows of the first weight are not a matrix's or the gates'.
std::optional<Recurrence> RecurrenceOf(Construction& module, std::int64_t gates,
                                       const std::string& suffix) {
  const std::string name = "weight_ih" + suffix;
  const Shape* weight = module.Require(name);
  if (weight == nullptr) return std::nullopt;
  if (weight->size() != 2 || (*weight)[0] % gates != 0) {
    module.Refuse(Quote(name) + " of " + ToString(*weight) +
                  "; allowed: a matrix whose rows the number of gates, " + std::to_string(gates) +
                  ", divides");
    return std::nullopt;
  }
  const std::int64_t hidden = (*weight)[0] / gates;
  const bool biased = module.Has("bias_ih" + suffix) || module.Has("bias_hh" + suffix);
  return Recurrence{.gates = gates, .hidden = hidden, .out = hidden, .biased = biased};
}

// One layer in one direction, in the order in which torch registers its tensors: all ±1/√hidden.
void DrawLayer(Construction& module, const Recurrence& of, std::int64_t in,
               const std::string& suffix) {
  const Initializer init =
      UniformWithin(of.hidden > 0 ? 1 / std::sqrt(static_cast<double>(of.hidden)) : 0);
  const std::int64_t rows = of.gates * of.hidden;
  module.DrawRequired("weight_ih" + suffix, {rows, in}, init);
  module.DrawRequired("weight_hh" + suffix, {rows, of.out}, init);
  if (of.biased) {
    module.DrawRequired("bias_ih" + suffix, {rows}, init);
    module.DrawRequired("bias_hh" + suffix, {rows}, init);
  }
  if (of.projected) module.DrawRequired("weight_hr" + suffix, {of.out, of.hidden}, init);
}

template <int gates, bool may_project = false>
void DrawRecurrent(Construction& module) {
  auto recurrence = RecurrenceOf(module, gates, "_l0");
  if (!recurrence.has_value()) return;
  if (const Shape* projection = may_project ? module.ShapeOf("weight_hr_l0") : nullptr;
      projection != nullptr && !projection->empty()) {
    recurrence->projected = true;
    recurrence->out = projection->front();
  }
  const bool both_ways = module.Has("weight_ih_l0_reverse");
  std::int64_t in = (*module.ShapeOf("weight_ih_l0"))[1];
  for (int layer = 0;; ++layer) {
    const std::string suffix = "_l" + std::to_string(layer);
    if (!module.Has("weight_ih" + suffix)) break;
    DrawLayer(module, *recurrence, in, suffix);
    if (both_ways) DrawLayer(module, *recurrence, in, suffix + "_reverse");
    in = both_ways ? 2 * recurrence->out : recurrence->out;
  }
}

template <int gates>
void DrawCell(Construction& module) {
  const auto recurrence = RecurrenceOf(module, gates, "");
  if (recurrence.has_value()) DrawLayer(module, *recurrence, (*module.ShapeOf("weight_ih"))[1], "");
}

// Its out_proj is constructed as a Linear before anything else is drawn.
void DrawAttention(Construction& module) {
  module.DrawWeightAndBias("out_proj.");
  for (const char* name : {"in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"})
    module.Draw(name, XavierUniform{});
  module.Draw("in_proj_bias", Zeros{});
  module.Draw("out_proj.bias", Zeros{});
  module.Draw("bias_k", XavierNormal{});
  module.Draw("bias_v", XavierNormal{});
}

void DrawNorm(Construction& module) {
  module.Draw("weight", Ones{});
  module.Draw("bias", Zeros{});
  module.Draw("running_mean", Zeros{});
  module.Draw("running_var", Ones{});
  module.Draw("num_batches_tracked", Zeros{});
}

struct ModuleType {
  std::string_view name;
  void (*draw)(Construction&);
};
constexpr ModuleType kTypes[] = {
    {"Linear", DrawLinear},
    {"NonDynamicallyQuantizableLinear", DrawLinear},
    {"Conv1d", DrawLinear},
    {"Conv2d", DrawLinear},
    {"Conv3d", DrawLinear},
    {"ConvTranspose1d", DrawLinear},
    {"ConvTranspose2d", DrawLinear},
    {"ConvTranspose3d", DrawLinear},
    {"Bilinear", DrawBilinear},
    {"Embedding", DrawEmbedding},
    {"EmbeddingBag", DrawEmbedding},
    {"RNN", DrawRecurrent<1>},
    {"LSTM", DrawRecurrent<4, true>},
    {"GRU", DrawRecurrent<3>},
    {"RNNCell", DrawCell<1>},
    {"LSTMCell", DrawCell<4>},
    {"GRUCell", DrawCell<3>},
    {"MultiheadAttention", DrawAttention},
    {"PReLU", DrawPRelu},
    {"LayerNorm", DrawNorm},
    {"RMSNorm", DrawNorm},
    {"GroupNorm", DrawNorm},
    {"BatchNorm1d", DrawNorm},
    {"BatchNorm2d", DrawNorm},
    {"BatchNorm3d", DrawNorm},
    {"SyncBatchNorm", DrawNorm},
    {"InstanceNorm1d", DrawNorm},
    {"InstanceNorm2d", DrawNorm},
    {"InstanceNorm3d", DrawNorm},
};

}  // namespace

Steps ConstructModule(std::string_view type, std::span<const ModuleTensor> tensors,
                      std::string_view field) {
  const std::string_view name = type.substr(type.rfind('.') + 1);
  const auto* known = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](const ModuleType& one) { return one.name == name; });
  if (known == std::end(kTypes)) {
    std::string allowed;
    for (const ModuleType& one : kTypes) {
      if (!allowed.empty()) allowed += ", ";
      allowed += one.name;
    }
    return FieldError(field, Quote(type) +
                                 " is not a module type whose construction is known; "
                                 "allowed: " +
                                 allowed);
  }
  Construction module(name, tensors, field);
  known->draw(module);
  return module.Take();
}

}  // namespace weightinit
