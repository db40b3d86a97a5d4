#include "lib/recipe/torch_modules.h"

#include <algorithm>
#include <cmath>
#include <optional>

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
  void DrawAll(const Initializer& init) {
    for (const ModuleTensor& tensor : tensors_) Draw(tensor.name, init);
  }

  // weight, then bias, with the weight's fan_in: Linear and convolutions.
  void DrawWeightAndBias(const std::string& prefix) {
    const Shape* weight = ShapeOf(prefix + "weight");
    if (weight == nullptr) return;
    Draw(prefix + "weight", KaimingOfSqrt5());
    const double fan_in = FanInOf(*weight);
    Draw(prefix + "bias", UniformWithin(fan_in > 0 ? 1 / std::sqrt(fan_in) : 0));
  }

  Steps Take() {
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
};

void DrawLinear(Construction& module) { module.DrawWeightAndBias(""); }

void DrawBilinear(Construction& module) {
  const Shape* weight = module.ShapeOf("weight");
  if (weight == nullptr || weight->size() < 2) return;
  const double bound = 1 / std::sqrt(static_cast<double>((*weight)[1]));
  module.Draw("weight", UniformWithin(bound));
  module.Draw("bias", UniformWithin(bound));
}

void DrawEmbedding(Construction& module) { module.Draw("weight", Normal{}); }

// ±1/√hidden for everything; the first weight has `gates` times as many rows.
template <int gates>
void DrawRecurrent(Construction& module) {
  for (const char* name : {"weight_ih_l0", "weight_ih"}) {
    const Shape* weight = module.ShapeOf(name);
    if (weight == nullptr || weight->empty()) continue;
    const double hidden = static_cast<double>((*weight)[0]) / gates;
    return module.DrawAll(UniformWithin(hidden > 0 ? 1 / std::sqrt(hidden) : 0));
  }
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
    {"Linear", DrawLinear},          {"NonDynamicallyQuantizableLinear", DrawLinear},
    {"Conv1d", DrawLinear},          {"Conv2d", DrawLinear},
    {"Conv3d", DrawLinear},          {"ConvTranspose1d", DrawLinear},
    {"ConvTranspose2d", DrawLinear}, {"ConvTranspose3d", DrawLinear},
    {"Bilinear", DrawBilinear},      {"Embedding", DrawEmbedding},
    {"EmbeddingBag", DrawEmbedding}, {"RNN", DrawRecurrent<1>},
    {"LSTM", DrawRecurrent<4>},      {"GRU", DrawRecurrent<3>},
    {"RNNCell", DrawRecurrent<1>},   {"LSTMCell", DrawRecurrent<4>},
    {"GRUCell", DrawRecurrent<3>},   {"MultiheadAttention", DrawAttention},
    {"LayerNorm", DrawNorm},         {"RMSNorm", DrawNorm},
    {"GroupNorm", DrawNorm},         {"BatchNorm1d", DrawNorm},
    {"BatchNorm2d", DrawNorm},       {"BatchNorm3d", DrawNorm},
    {"SyncBatchNorm", DrawNorm},     {"InstanceNorm1d", DrawNorm},
    {"InstanceNorm2d", DrawNorm},    {"InstanceNorm3d", DrawNorm},
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
