#include "lib/recipe/scale_expression.h"

#include <muParserBase.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "lib/base/special_functions.h"
#include "lib/base/text.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

constexpr std::array<std::string_view, 5> kFunctions = {"sqrt", "log", "exp", "min", "max"};
constexpr std::string_view kLanguage =
    "numbers, + - * / ^ ( ), sqrt, log, exp, min, max, constants and named groups";

bool IsFunction(std::string_view name) {
  return std::find(kFunctions.begin(), kFunctions.end(), name) != kFunctions.end();
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameCharacter(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool IsName(std::string_view name) {
  return !name.empty() && !IsDigit(name[0]) &&
         std::all_of(name.begin(), name.end(), IsNameCharacter);
}

// What the expressions compute. An impossible operation throws muparser's own exception, which
// Evaluate catches: callbacks have no other way to fail.
// ----------------------------------------------------------------------------

double Add(double a, double b) { return a + b; }
double Subtract(double a, double b) { return a - b; }
double Multiply(double a, double b) { return a * b; }
double Divide(double a, double b) {
  if (b == 0) throw mu::ParserError("division by zero");
  return a / b;
}
double Plus(double a) { return a; }
double Minus(double a) { return -a; }
double SquareRoot(double x) {
  if (x < 0) throw mu::ParserError("sqrt of " + FormatNumber(x));
  return std::sqrt(x);
}
double Logarithm(double x) {
  if (!(x > 0)) throw mu::ParserError("log of " + FormatNumber(x));
  if (x >= std::numeric_limits<double>::min()) return Log(x);
  return Log(x * 0x1p64) - Log(0x1p64);
}
double Exponential(double x) { return Exp(x); }

double WholePower(double base, double exponent) {
  double power = 1;
  for (auto n = static_cast<std::uint64_t>(exponent); n > 0; n /= 2) {
    if (n % 2 == 1) power *= base;
    base *= base;
  }
  return power;
}

double Power(double base, double exponent) {
  constexpr double kMostWhole = 0x1p31;
  if (exponent < 0) return Divide(1, Power(base, -exponent));
  const double whole = std::floor(exponent);
  if (whole <= kMostWhole && exponent == whole) return WholePower(base, whole);
  if (base < 0)
    throw mu::ParserError(FormatNumber(base) + " to the power of " + FormatNumber(exponent));
  if (whole <= kMostWhole && exponent - whole == 0.5)
    return WholePower(base, whole) * std::sqrt(base);
  return base == 0 ? 0 : Exp(exponent * Logarithm(base));
}

template <bool kLess>
double Extreme(const double* values, int count) {
  double extreme = values[0];
  for (int i = 0; i < count; ++i) {
    if (std::isnan(values[i])) throw mu::ParserError("not a number");
    if (kLess ? values[i] < extreme : values[i] > extreme) extreme = values[i];
  }
  return extreme;
}

// muparser reads numbers through a stream; ours knows no locale and rounds correctly.
int ReadNumberAt(const char* text, int* position, double* value) {
  if (!IsDigit(*text) && *text != '.') return 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), *value);
  if (error != std::errc()) return 0;
  *position += static_cast<int>(end - text);
  return 1;
}

// muparser with none of its own functions, operators and constants: those would be libm's.
class Arithmetic final : public mu::ParserBase {
 public:
  Arithmetic() {
    EnableBuiltInOprt(false);
    EnableOptimizer(false);
    AddValIdent(ReadNumberAt);
    InitCharSets();
    InitFun();
    InitOprt();
  }

 private:
  void InitCharSets() override {
    DefineNameChars("0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    DefineOprtChars("+-*/^");
    DefineInfixOprtChars("+-");
  }
  void InitFun() override {
    DefineFun("sqrt", SquareRoot);
    DefineFun("log", Logarithm);
    DefineFun("exp", Exponential);
    DefineFun("min", Extreme<true>);
    DefineFun("max", Extreme<false>);
  }
  void InitConst() override {}
  void InitOprt() override {
    DefineOprt("+", Add, mu::prADD_SUB);
    DefineOprt("-", Subtract, mu::prADD_SUB);
    DefineOprt("*", Multiply, mu::prMUL_DIV);
    DefineOprt("/", Divide, mu::prMUL_DIV);
    DefineOprt("^", Power, mu::prPOW, mu::oaRIGHT);
    DefineInfixOprt("-", Minus);
    DefineInfixOprt("+", Plus);
  }
};

// What stands in an expression, before muparser sees it: bounds its size and depth, keeps commas
// within functions, and names what is not known.
class Scanner {
 public:
  Scanner(std::string_view text, std::string_view field) : text_(text), field_(field) {}

  absl::Status Scan(const Constants& constants, std::span<const std::string> groups) {
    if (text_.size() > ScaleExpression::kMaxBytes) {
      return Error(std::to_string(text_.size()) + " bytes; allowed: at most " +
                   std::to_string(ScaleExpression::kMaxBytes));
    }
    while (at_ < text_.size()) {
      absl::Status status = IsNameCharacter(text_[at_]) || text_[at_] == '.'
                                ? ScanWord(constants, groups)
                                : ScanMark(text_[at_]);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  std::vector<std::size_t> TakeUsedGroups() { return std::move(used_groups_); }

 private:
  absl::Status Error(const std::string& description) const {
    return FieldError(field_, Quote(text_) + ": " + description);
  }

  char NextMark() const {
    std::size_t i = at_;
    while (i < text_.size() && (text_[i] == ' ' || text_[i] == '\t')) ++i;
    return i < text_.size() ? text_[i] : '\0';
  }

  // A number, or a name with the parenthesis that follows a function's.
  absl::Status ScanWord(const Constants& constants, std::span<const std::string> groups) {
    if (IsDigit(text_[at_]) || text_[at_] == '.') {
      double value = 0;
      const char* const begin = text_.data() + at_;
      const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
      if (error != std::errc())
        return Error(Quote(text_.substr(at_)) +
                     " does not begin with a number that binary64 holds");
      at_ += static_cast<std::size_t>(end - begin);
      if (at_ < text_.size() && (IsNameCharacter(text_[at_]) || text_[at_] == '.'))
        return Error(Quote(text_.substr(at_)) +
                     " follows a number; allowed: " + std::string(kLanguage));
      return absl::OkStatus();
    }
    const std::size_t begin = at_;
    while (at_ < text_.size() && IsNameCharacter(text_[at_])) ++at_;
    const std::string name(text_.substr(begin, at_ - begin));
    if (IsFunction(name)) {
      if (NextMark() != '(') return Error(name + " needs its numbers in ( )");
      at_ = text_.find('(', at_) + 1;
      return Open(/*function=*/true);
    }
    if (constants.contains(name)) return absl::OkStatus();
    const auto group = std::find(groups.begin(), groups.end(), name);
    if (group == groups.end()) return Unknown(name, constants, groups);
    const auto index = static_cast<std::size_t>(group - groups.begin());
    if (std::find(used_groups_.begin(), used_groups_.end(), index) == used_groups_.end())
      used_groups_.push_back(index);
    return absl::OkStatus();
  }

  absl::Status ScanMark(char mark) {
    ++at_;
    switch (mark) {
      case '(':
        return Open(/*function=*/false);
      case ')':
        if (open_.empty()) return Error("a ) without its (");
        open_.pop_back();
        return absl::OkStatus();
      case ',':
        if (!open_.empty() && open_.back()) return absl::OkStatus();
        return Error("a comma outside a function; allowed: between the numbers of min and max");
      case ' ':
      case '\t':
      case '+':
      case '-':
      case '*':
      case '/':
      case '^':
        return absl::OkStatus();
      default:
        return Error(Quote(text_.substr(at_ - 1)) +
                     " cannot be read; allowed: " + std::string(kLanguage));
    }
  }

  absl::Status Open(bool function) {
    open_.push_back(function);
    if (open_.size() <= ScaleExpression::kMaxDepth) return absl::OkStatus();
    return Error("parentheses more than " + std::to_string(ScaleExpression::kMaxDepth) + " deep");
  }

  absl::Status Unknown(const std::string& name, const Constants& constants,
                       std::span<const std::string> groups) const {
    std::vector<std::string_view> known(kFunctions.begin(), kFunctions.end());
    if (NextMark() == '(') {
      return Error(Quote(name) + " is no function; allowed: " +
                   Join(std::vector<std::string>(known.begin(), known.end()), ", "));
    }
    for (const auto& [constant, value] : constants) known.push_back(constant);
    known.insert(known.end(), groups.begin(), groups.end());
    const std::vector<std::string> nearest = Nearest(name, known, 1);
    return Error(Quote(name) + " is neither a constant nor a named group of name_regex" +
                 (nearest.empty() ? "" : "; nearest: " + Quote(nearest[0])));
  }

  std::string_view text_, field_;
  std::size_t at_ = 0;
  std::vector<bool> open_;  // per open parenthesis whether it is a function's
  std::vector<std::size_t> used_groups_;
};

}  // namespace

absl::Status CheckConstants(const Constants& constants) {
  for (const auto& [name, value] : constants) {
    if (!IsName(name) || IsFunction(name)) {
      return FieldError("constants", Quote(name) +
                                         " is no name of a constant; allowed: letters, digits and "
                                         "_, no digit first, and not a function's name");
    }
    if (!std::isfinite(value))
      return FieldError("constants",
                        Quote(name) + " is " + FormatNumber(value) + "; allowed: a finite number");
  }
  return absl::OkStatus();
}

class ScaleExpression::Impl {
 public:
  Impl(std::string_view text, const Constants& constants, std::span<const std::string> groups,
       std::span<const std::size_t> used_groups)
      : values_(used_groups.size()) {
    for (const auto& [name, value] : constants) parser_.DefineConst(name, value);
    for (std::size_t i = 0; i < used_groups.size(); ++i)
      parser_.DefineVar(groups[used_groups[i]], &values_[i]);
    parser_.SetExpr(std::string(text));
    parser_.GetUsedVar();  // compiles, evaluates nothing
  }

  double Evaluate(std::span<const double> values) {
    std::copy(values.begin(), values.end(), values_.begin());
    return parser_.Eval();
  }

 private:
  std::vector<double> values_;  // what the parser's variables point to
  Arithmetic parser_;
};

ScaleExpression::ScaleExpression(std::unique_ptr<Impl> impl, std::vector<std::size_t> used_groups)
    : impl_(std::move(impl)), used_groups_(std::move(used_groups)) {}
ScaleExpression::ScaleExpression(ScaleExpression&&) noexcept = default;
ScaleExpression& ScaleExpression::operator=(ScaleExpression&&) noexcept = default;
ScaleExpression::~ScaleExpression() = default;

absl::StatusOr<ScaleExpression> ScaleExpression::Create(std::string_view text,
                                                        const Constants& constants,
                                                        std::span<const std::string> groups,
                                                        std::string_view field) {
  for (const std::string& group : groups) {
    if (constants.contains(group))
      return FieldError(
          field, Quote(group) + " is a constant and a named group too; allowed: distinct names");
  }
  Scanner scanner(text, field);
  const absl::Status status = scanner.Scan(constants, groups);
  if (!status.ok()) return status;
  std::vector<std::size_t> used = scanner.TakeUsedGroups();
  try {
    auto impl = std::make_unique<Impl>(text, constants, groups, used);
    return ScaleExpression(std::move(impl), std::move(used));
  } catch (const mu::ParserError& error) {
    return FieldError(field, Quote(text) + " is no expression: " + error.GetMsg());
  }
}

absl::StatusOr<double> ScaleExpression::Evaluate(std::span<const double> values) {
  constexpr std::string_view kAllowed = "; allowed: a finite number ≥ 0";
  try {
    const double value = impl_->Evaluate(values);
    if (std::isfinite(value) && value >= 0) return value == 0 ? 0.0 : value;
    return absl::InvalidArgumentError(FormatNumber(value) + std::string(kAllowed));
  } catch (const mu::ParserError& error) {
    return absl::InvalidArgumentError(error.GetMsg() + std::string(kAllowed));
  }
}

}  // namespace weightinit
