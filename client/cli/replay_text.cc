#include "client/cli/replay_text.h"

#include <algorithm>
#include <variant>

#include "client/cli/look.h"

namespace weightinit::client {

std::string DialectText(const Generator& generator) {
  if (const auto* torch = std::get_if<TorchCpu>(&generator)) {
    std::string text(Name(torch->variant));
    const auto version = ParseTorchVersion(torch->torch_version, "torch_version");
    if (version.ok())
      text += " " + std::to_string(version->major) + "." + std::to_string(version->minor);
    return text;
  }
  if (const auto* jax = std::get_if<JaxThreefry>(&generator)) {
    std::string text(Name(jax->layout));
    for (std::size_t i = 0; i < jax->fold_in.size(); ++i)
      text += (i == 0 ? ", fold_in " : ", ") + std::to_string(jax->fold_in[i]);
    return text;
  }
  return "";
}

std::string GeneratorText(const Generator& generator) {
  const std::string dialect = DialectText(generator);
  return std::string(Name(generator)) + (dialect.empty() ? "" : " " + dialect);
}

bool StartsFromState(const Generator& generator) {
  const auto* torch = std::get_if<TorchCpu>(&generator);
  return torch != nullptr && !torch->start_state.empty();
}

void AddApproximation(std::string_view tensor, std::string_view note,
                      std::vector<Approximation>& approximations) {
  constexpr std::string_view kApproximate = "approximate: ";
  if (!note.starts_with(kApproximate)) return;
  const std::string_view reason = note.substr(kApproximate.size());
  auto found = std::find_if(approximations.begin(), approximations.end(),
                            [&](const Approximation& known) { return known.reason == reason; });
  if (found == approximations.end())
    found = approximations.insert(found, {std::string(reason), {}});
  found->tensors.emplace_back(tensor);
}

std::string ApproximationText(const Approximation& approximation) {
  constexpr std::size_t kMostNamed = 3;
  const std::vector<std::string>& tensors = approximation.tensors;
  std::string names;
  for (std::size_t i = 0; i < std::min(tensors.size(), kMostNamed); ++i)
    names += (i == 0 ? "" : ", ") + tensors[i];
  if (tensors.size() > kMostNamed)
    names += ", … and " + WithCommas(tensors.size() - kMostNamed) + " more";
  const std::string text = "approximate: " + approximation.reason;
  return names.empty() ? text : text + " (" + names + ")";  // a single tensor may have no name
}

std::string ApproximationWarning(const ModelPlan& plan, const std::vector<int>& tensors) {
  std::vector<Approximation> approximations;
  for (const int i : tensors) {
    const TensorPlan& tensor = plan.tensors[static_cast<std::size_t>(i)];
    for (const std::string& note : tensor.notes)
      AddApproximation(tensor.name, note, approximations);
  }
  if (approximations.empty()) return "";
  const std::size_t others = approximations.size() - 1;
  return ApproximationText(approximations[0]) +
         (others == 0 ? ""
                      : "; and for " + WithCommas(others) + " other reason" +
                            (others == 1 ? "" : "s") + ", which weightinit plan says");
}

}  // namespace weightinit::client
