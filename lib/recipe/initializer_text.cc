// The text form of initializers: NAME(parameter=value, …).
#include <array>
#include <cctype>
#include <utility>

#include "lib/base/text.h"
#include "lib/recipe/methods.h"
#include "lib/recipe/name_tables.h"
#include "lib/recipe/parameters.h"
#include "weightinit/initializer.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

// Spellings of torch, JAX and Keras that mean the same method.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kMethodAliases = {{
    {"trunc_normal", "truncated_normal"},
    {"glorot_uniform", "xavier_uniform"},
    {"glorot_normal", "xavier_normal"},
    {"he_uniform", "kaiming_uniform"},
    {"he_normal", "kaiming_normal"},
    {"identity", "eye"},
    {"const", "constant"},
    {"zero", "zeros"},
}};

std::string CanonicalMethodName(std::string_view name) {
  std::string lower = ToLower(Strip(name));
  if (!lower.empty() && lower.back() == '_') lower.pop_back();
  for (const auto& [alias, canonical] : kMethodAliases) {
    if (lower == alias) return std::string(canonical);
  }
  return lower;
}

bool HasParameter(const Initializer& init, std::string_view name) {
  return std::visit(
      [name](const auto& method) {
        bool found = false;
        VisitParameters(method, [&](std::string_view candidate, const auto&) {
          found = found || candidate == name;
        });
        return found;
      },
      init);
}

// torch calls the slope `a`, and other methods' bounds too, which mean something else here.
std::string CanonicalParameterName(std::string_view name, const Initializer& init) {
  constexpr std::string_view kSlope = "negative_slope";
  const std::string lower = ToLower(Strip(name));
  return lower == "a" && HasParameter(init, kSlope) ? std::string(kSlope) : lower;
}

// Prints a parameter where it differs from the default.
struct Printer {
  std::string& text;

  void Add(std::string_view name, std::string_view value) const {
    text += text.empty() ? "" : ", ";
    text += name;
    text += '=';
    text += value;
  }
  void operator()(std::string_view name, double value) const { Add(name, FormatNumber(value)); }
  void operator()(std::string_view name, std::int64_t value) const {
    Add(name, std::to_string(value));
  }
  void operator()(std::string_view name, bool value) const { Add(name, value ? "true" : "false"); }
  template <typename Enum>
  void operator()(std::string_view name, Enum value) const {
    Add(name, Name(value));
  }
  template <typename T>
  void operator()(std::string_view name, const std::optional<T>& value) const {
    if (value.has_value()) (*this)(name, *value);
  }
};

template <typename Method>
std::string PrintParameters(const Method& method) {
  // Members of both visits come in the same order, so the defaults can be told apart by position.
  const Method defaults;
  std::vector<std::string> default_texts;
  VisitParameters(defaults, [&](std::string_view name, const auto& value) {
    Printer{default_texts.emplace_back()}(name, value);
  });
  std::string text;
  std::size_t i = 0;
  VisitParameters(method, [&](std::string_view name, const auto& value) {
    std::string one;
    Printer{one}(name, value);
    if (one != default_texts[i++]) {
      text += text.empty() ? "" : ", ";
      text += one;
    }
  });
  return text;
}

// Reads a value's text into a parameter; the description of what is wrong otherwise.
struct Reader {
  std::string_view text;

  std::string operator()(double& value) const {
    const auto number = ReadNumber(text);
    if (!number.has_value()) return Quote(text) + " is not a number";
    value = *number;
    return "";
  }
  std::string operator()(std::int64_t& value) const {
    const auto number = ReadInteger(text);
    if (!number.has_value()) return Quote(text) + " is not a whole number";
    value = *number;
    return "";
  }
  std::string operator()(bool& value) const {
    const std::string lower = ToLower(text);
    if (lower != "true" && lower != "false")
      return Quote(text) + " is not a truth value; allowed: true, false";
    value = lower == "true";
    return "";
  }
  template <typename Enum>
  std::string operator()(Enum& value) const {
    const std::string upper = ToUpper(text);
    std::vector<std::string> names;
    for (const auto& row : NamesOf(value)) {
      if (row.name == upper) {
        value = row.value;
        return "";
      }
      names.emplace_back(row.name);
    }
    return Quote(text) + " is unknown; allowed: " + Join(names, ", ");
  }
  template <typename T>
  std::string operator()(std::optional<T>& value) const {
    return (*this)(value.emplace(T{}));
  }
};

// Sets one parameter by name.
template <typename Method>
absl::Status SetParameter(Method& method, std::string_view method_name, std::string_view name,
                          std::string_view value, std::string_view field) {
  std::vector<std::string> names;
  bool found = false;
  std::string error;
  VisitParameters(method, [&](std::string_view candidate, auto& member) {
    names.emplace_back(candidate);
    if (candidate == name) {
      found = true;
      error = Reader{value}(member);
    }
  });
  const std::string path =
      std::string(field) + "." + std::string(method_name) + "." + std::string(name);
  if (!found) {
    return FieldError(path, std::string(method_name) + " has no such parameter as " + Quote(name) +
                                "; allowed: " + (names.empty() ? "none" : Join(names, ", ")));
  }
  if (!error.empty()) return FieldError(path, error);
  return absl::OkStatus();
}

absl::Status SetParameters(Initializer& init, std::string_view arguments, std::string_view field) {
  const std::string_view method_name = MethodName(init);
  std::vector<std::string> seen;
  for (std::size_t start = 0; start <= arguments.size();) {
    const std::size_t end = std::min(arguments.find(',', start), arguments.size());
    const std::string_view argument = Strip(arguments.substr(start, end - start));
    start = end + 1;
    const std::size_t equals = argument.find('=');
    if (equals == std::string_view::npos) {
      return FieldError(std::string(field) + "." + std::string(method_name),
                        Quote(argument) + " is not of the form parameter=value");
    }
    const std::string name = CanonicalParameterName(argument.substr(0, equals), init);
    for (const std::string& earlier : seen) {
      if (earlier == name)
        return FieldError(std::string(field) + "." + std::string(method_name) + "." + name,
                          "given twice; allowed: once");
    }
    seen.push_back(name);
    const absl::Status status = std::visit(
        [&](auto& method) {
          return SetParameter(method, method_name, name, Strip(argument.substr(equals + 1)), field);
        },
        init);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// " (write normal(std=0.02))" for "normal,std=0.02" and "normal std=0.02".
std::string ParenthesesHint(std::string_view text) {
  const std::size_t end = text.find_first_of(", :");
  if (end == std::string_view::npos || text.find('=') == std::string_view::npos ||
      text.find('(') != std::string_view::npos) {
    return "";
  }
  const std::string name = CanonicalMethodName(text.substr(0, end));
  if (!MakeMethod(name).has_value()) return "";
  return " (write " + name + "(" + std::string(Strip(text.substr(end + 1))) + "))";
}

}  // namespace

std::string ToString(const Initializer& init) {
  const std::string parameters =
      std::visit([](const auto& method) { return PrintParameters(method); }, init);
  std::string text(MethodName(init));
  return parameters.empty() ? text : text + "(" + parameters + ")";
}

absl::StatusOr<Initializer> ParseInitializer(std::string_view text, std::string_view field) {
  text = Strip(text);
  const std::size_t open = text.find('(');
  const std::string name = CanonicalMethodName(text.substr(0, open));
  std::optional<Initializer> init = MakeMethod(name);
  if (!init.has_value()) {
    const auto nearest = Nearest(name, MethodNames(), 1);
    std::vector<std::string> names;
    for (const std::string_view method : MethodNames()) names.emplace_back(method);
    std::string hint = ParenthesesHint(text);
    if (hint.empty() && !nearest.empty()) hint = " (did you mean " + nearest[0] + "?)";
    return FieldError(field, Quote(Strip(text.substr(0, open))) + " is not an initializer" + hint +
                                 "; allowed: " + Join(names, ", "));
  }
  if (open == std::string_view::npos) return *init;
  if (text.back() != ')') return FieldError(field, Quote(text) + " lacks the closing parenthesis");
  const std::string_view arguments = Strip(text.substr(open + 1, text.size() - open - 2));
  if (!arguments.empty()) {
    const absl::Status status = SetParameters(*init, arguments, field);
    if (!status.ok()) return status;
  }
  return *init;
}

}  // namespace weightinit
