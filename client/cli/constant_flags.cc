#include "client/cli/constant_flags.h"

#include <CLI/App.hpp>
#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>

#include "absl/strings/cord.h"
#include "client/cli/exit_code.h"
#include "client/cli/flag_value.h"
#include "client/formats/nearest.h"
#include "weightinit/status.h"

namespace weightinit::client {
namespace {

bool IsOfName(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// What stands in the rules' expressions as a name: constants and groups.
std::set<std::string> NamesInScales(const Recipe& recipe) {
  std::set<std::string> names;
  for (const Rule& rule : recipe.rules) {
    const std::string& text = rule.scale;
    for (auto begin = text.begin(); begin != text.end();) {
      const auto end = std::find_if_not(begin, text.end(), IsOfName);
      const bool is_number = std::isdigit(static_cast<unsigned char>(*begin)) != 0;
      const bool is_function = end != text.end() && *end == '(';
      if (begin != end && !is_number && !is_function) names.emplace(begin, end);
      begin = end == text.end() ? end : end + 1;
    }
  }
  return names;
}

}  // namespace

void ConstantFlags::AddTo(CLI::App& app) {
  app.add_option("--constant", texts_,
                 "a constant of the recipe's scale expressions, as in layers=12; may be repeated")
      ->type_name("NAME=NUMBER")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(NonEmpty());
}

absl::Status ConstantFlags::ApplyTo(Recipe& recipe) const {
  if (texts_.empty()) return absl::OkStatus();
  const std::set<std::string> known = NamesInScales(recipe);
  std::set<std::string> given;
  for (const std::string& text : texts_) {
    const std::size_t end = text.find('=');
    if (end == 0 || end == std::string::npos)
      return UsageError("--constant: '" + text + "' is not NAME=NUMBER, as in layers=12");
    const std::string name = text.substr(0, end), number = text.substr(end + 1);
    const absl::StatusOr<double> value = ParseNumber<double>("--constant " + name, number);
    if (!value.ok()) return value.status();
    if (!given.insert(name).second) return UsageError("--constant: '" + name + "' is given twice");
    if (!known.contains(name)) {
      const std::vector<std::string_view> names(known.begin(), known.end());
      return UsageError("--constant: no scale of the recipe's rules uses '" + name + "'" +
                        Hint(name, names));
    }
    recipe.constants[name] = *value;
  }
  return absl::OkStatus();
}

absl::Status WithConstantHint(const absl::Status& status) {
  const std::vector<FieldViolation> violations = FieldViolations(status);
  if (violations.size() != 1 || !violations[0].field.ends_with(".scale") ||
      violations[0].description.find("is neither a constant nor") == std::string::npos) {
    return status;
  }
  std::string message(status.message());
  message += " (--constant NAME=NUMBER sets a constant)";
  absl::Status hinted(status.code(), message);
  status.ForEachPayload(
      [&hinted](const auto& url, const absl::Cord& payload) { hinted.SetPayload(url, payload); });
  return hinted;
}

}  // namespace weightinit::client
