#include "lib/recipe/methods.h"

#include <array>

#include "lib/base/text.h"
#include "lib/recipe/name_tables.h"
#include "lib/recipe/parameters.h"

namespace weightinit {
namespace {

struct MethodRow {
  std::string_view name, formula, reference;
};

// In the order of Initializer.
constexpr std::array<MethodRow, std::variant_size_v<Initializer>> kMethods = {{
    {"zeros", "0", ""},
    {"ones", "1", ""},
    {"constant", "value", ""},
    {"eye", "gain on the main diagonal, 0 elsewhere; 2 dimensions", ""},
    {"dirac",
     "1 where output channel d of a group meets input channel d in the centre tap; 3 to 5 "
     "dimensions",
     "Zagoruyko & Komodakis 2017, arXiv:1706.00388"},
    {"uniform", "U[low, high]", ""},
    {"normal", "N(mean, std²)", "Box & Muller 1958"},
    {"truncated_normal",
     "N(mean, std²) cut at [low, high], in units of std around mean (SIGMA) or as values "
     "(ABSOLUTE)",
     ""},
    {"xavier_uniform", "U[−√3·std, √3·std], std = gain·√(2/(fan_in + fan_out))",
     "Glorot & Bengio 2010"},
    {"xavier_normal", "N(0, std²), std = gain·√(2/(fan_in + fan_out))", "Glorot & Bengio 2010"},
    {"kaiming_uniform", "U[−√3·std, √3·std], std = gain/√fan", "He et al. 2015, arXiv:1502.01852"},
    {"kaiming_normal", "N(0, std²), std = gain/√fan", "He et al. 2015, arXiv:1502.01852"},
    {"lecun_uniform", "U[−√3·std, √3·std], std = √(1/fan_in)",
     "LeCun et al. 1998; Klambauer et al. 2017"},
    {"lecun_normal", "N(0, σ²) cut at ±2σ with result std = √(1/fan_in)",
     "LeCun et al. 1998; Klambauer et al. 2017"},
    {"variance_scaling",
     "variance = scale/fan: N(0, σ²) cut at ±2σ and corrected, N(0, scale/fan), or "
     "U[−√(3·scale/fan), …]",
     "Glorot & Bengio 2010; He et al. 2015"},
    {"orthogonal",
     "gain·Q of the QR factorization of a Gaussian matrix, rows = dimension 0; 2 or more "
     "dimensions",
     "Saxe et al. 2013, arXiv:1312.6120; Mezzadri 2007"},
    {"delta_orthogonal",
     "gain·Q (out × in) in the centre tap, 0 elsewhere; 3 to 5 dimensions, out ≥ in",
     "Xiao et al. 2018, arXiv:1806.05393"},
    {"sparse", "N(0, std²) with ceil(sparsity·rows) zeros in each column; 2 dimensions",
     "Martens 2010"},
}};

// The methods themselves, made once from the variant so that no list of types stands twice.
template <std::size_t... I>
std::vector<Initializer> MakeAll(std::index_sequence<I...>) {
  return {Initializer(std::in_place_index<I>)...};
}
std::vector<Initializer> AllMethods() {
  return MakeAll(std::make_index_sequence<std::variant_size_v<Initializer>>());
}

template <typename Enum>
std::string AllowedNames(Enum value) {
  std::vector<std::string> names;
  for (const auto& row : NamesOf(value)) names.emplace_back(row.name);
  return Join(names, ", ");
}

// How a parameter is described; `text` is the default value's text form.
struct Describer {
  std::string_view method;
  std::vector<ParameterDescription>& parameters;

  void operator()(std::string_view name, double value) const {
    Add(name, FormatNumber(value), AllowedNumber(name));
  }
  void operator()(std::string_view name, std::int64_t value) const {
    Add(name, std::to_string(value), "a whole number ≥ 1");
  }
  void operator()(std::string_view name, bool value) const {
    Add(name, value ? "true" : "false", "true, false");
  }
  void operator()(std::string_view name, FanMode value) const {
    const bool torch = method.substr(0, 7) == "kaiming";
    Add(name, std::string(Name(value)), torch ? "FAN_IN, FAN_OUT" : AllowedNames(value));
  }
  template <typename Enum>
  void operator()(std::string_view name, Enum value) const {
    Add(name, std::string(Name(value)), AllowedNames(value));
  }
  void operator()(std::string_view name, const std::optional<double>&) const {
    const bool required = name == "value" || name == "sparsity";
    const std::string slope = method.substr(0, 6) == "xavier" ? "0.01" : "0";
    Add(name, required ? "required" : name == "gain" ? "1" : slope, AllowedNumber(name));
  }
  void operator()(std::string_view name, const std::optional<Nonlinearity>&) const {
    Add(name, "none", AllowedNames(Nonlinearity::kLinear));
  }

  static std::string AllowedNumber(std::string_view name) {
    if (name == "sparsity") return "a number in [0, 1]";
    if (name == "std" || name == "gain" || name == "scale") return "a number ≥ 0";
    return "a number";
  }
  void Add(std::string_view name, std::string default_value, std::string allowed) const {
    parameters.push_back({std::string(name), std::move(default_value), std::move(allowed)});
  }
};

}  // namespace

std::string_view MethodName(const Initializer& init) { return kMethods[init.index()].name; }

std::optional<Initializer> MakeMethod(std::string_view name) {
  const std::vector<Initializer> methods = AllMethods();
  for (std::size_t i = 0; i < methods.size(); ++i) {
    if (kMethods[i].name == name) return methods[i];
  }
  return std::nullopt;
}

std::vector<std::string_view> MethodNames() {
  std::vector<std::string_view> names;
  names.reserve(std::size(kMethods));
  for (const MethodRow& row : kMethods) names.push_back(row.name);
  return names;
}

std::vector<MethodDescription> DescribeMethods() {
  std::vector<MethodDescription> descriptions;
  for (const Initializer& method : AllMethods()) {
    const MethodRow& row = kMethods[method.index()];
    MethodDescription description{
        std::string(row.name), std::string(row.formula), std::string(row.reference), {}};
    std::visit(
        [&](const auto& m) {
          VisitParameters(m, Describer{row.name, description.parameters});
        },
        method);
    descriptions.push_back(std::move(description));
  }
  return descriptions;
}

}  // namespace weightinit
