#include "client/cli/init_flags.h"

#include <CLI/App.hpp>
#include <algorithm>
#include <vector>

#include "client/cli/exit_code.h"
#include "client/cli/flag_value.h"

namespace weightinit::client {
namespace {

// Flags that a tensor has too; they go to the method where it has such a parameter.
constexpr std::string_view kShared[] = {"scale", "groups"};

bool IsShared(std::string_view name) {
  return std::find(std::begin(kShared), std::end(kShared), name) != std::end(kShared);
}

std::string FlagOf(std::string_view parameter) {
  std::string flag(parameter);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return "--" + flag;
}

// What a parameter is, and which methods have it.
struct ParameterHelp {
  std::string allowed;
  std::string methods;
};

std::map<std::string, ParameterHelp> AllParameters() {
  std::map<std::string, ParameterHelp> parameters;
  for (const MethodDescription& method : DescribeMethods()) {
    for (const ParameterDescription& parameter : method.parameters) {
      ParameterHelp& help = parameters[parameter.name];
      if (parameter.allowed.size() > help.allowed.size()) help.allowed = parameter.allowed;
      help.methods += (help.methods.empty() ? "" : ", ") + method.name;
    }
  }
  return parameters;
}

}  // namespace

void InitFlags::AddTo(CLI::App& app) {
  app.add_option("--init", init_,
                 "initializer: a method, or its text form 'normal(std=0.02)'; see `weightinit "
                 "methods`")
      ->type_name("METHOD")
      ->check(NonEmpty());
  for (const auto& [name, help] : AllParameters()) {
    constexpr std::size_t kOneLine = 40;
    std::string text = help.allowed.size() > kOneLine ? "see `weightinit methods`" : help.allowed;
    text += " [" + help.methods + "]";
    if (name == "scale") text += "; of other methods: multiplies std, bounds, value and gain";
    if (name == "groups") text += "; of other methods: groups of a convolution, for its fans";
    const std::string flag = FlagOf(name);
    const std::string alias = name.find('_') == std::string::npos ? "" : ",--" + name;
    app.add_option(flag + alias, values_[name], text)
        ->type_name("VALUE")
        ->check(NonEmpty())
        ->group("Parameters of methods");
  }
}

bool InitFlags::Takes(std::string_view parameter) const {
  if (init_.find('(') != std::string::npos) return false;
  const absl::StatusOr<Initializer> init = ParseInitializer(init_);
  if (!init.ok()) return false;
  for (const MethodDescription& method : DescribeMethods()) {
    if (method.name != MethodName(*init)) continue;
    return std::any_of(method.parameters.begin(), method.parameters.end(),
                       [&](const ParameterDescription& known) { return known.name == parameter; });
  }
  return false;
}

const std::string& InitFlags::Value(const std::string& parameter) const {
  return values_.at(parameter);
}

absl::Status InitFlags::CheckNoParameters() const {
  for (const auto& [name, value] : values_) {
    if (value.empty() || IsShared(name)) continue;
    return UsageError(FlagOf(name) + " is a parameter of a method, which --init names");
  }
  return absl::OkStatus();
}

absl::StatusOr<Initializer> InitFlags::Parse() const {
  std::string parameters, first;
  for (const auto& [name, value] : values_) {
    if (value.empty() || (IsShared(name) && !Takes(name))) continue;
    if (value.find_first_of("(),=") != std::string::npos) {
      return UsageError(FlagOf(name) + ": '" + value + "' is not a value");
    }
    if (first.empty()) first = FlagOf(name);
    parameters += (parameters.empty() ? "" : ", ") + name + "=" + value;
  }
  if (!parameters.empty() && init_.find('(') != std::string::npos) {
    return UsageError(first + " stands beside --init '" + init_ +
                      "'; put the parameter into the parentheses");
  }
  absl::StatusOr<Initializer> init =
      ParseInitializer(parameters.empty() ? init_ : init_ + "(" + parameters + ")", "--init");
  if (!init.ok()) return AsUsageError(init.status());
  return init;
}

}  // namespace weightinit::client
