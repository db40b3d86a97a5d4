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

// Whatever stands in the rules' expressions as a name: constants, groups, functions.
std::set<std::string> NamesInScales(const Recipe& recipe) {
  std::set<std::string> names;
  for (const Rule& rule : recipe.rules) {
    const std::string& text = rule.scale;
    for (auto begin = text.begin(); begin != text.end();) {
      const auto end = std::find_if_not(begin, text.end(), IsOfName);
      if (begin != end) names.emplace(begin, end);
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
  std::set<std::string_view> given;
  for (const std::string& text : texts_) {
    const std::size_t end = text.find('=');
    if (end == 0 || end == std::string::npos)
      return UsageError("--constant: '" + text + "' is not NAME=NUMBER, as in layers=12");
    const std::string name = text.substr(0, end);
    const absl::StatusOr<double> value =
        ParseNumber<double>("--constant " + name, std::string_view(text).substr(end + 1));
    if (!value.ok()) return value.status();
    if (!given.insert(std::string_view(text).substr(0, end)).second)
      return UsageError("--constant: '" + name + "' is given twice");
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
  if (violations.size() != 1 || !violations[0].field.ends_with(".scale")) return status;
  absl::Status hinted(status.code(),
                      std::string(status.message()) + " (--constant NAME=NUMBER sets a constant)");
  status.ForEachPayload(
      [&hinted](const auto& url, const absl::Cord& payload) { hinted.SetPayload(url, payload); });
  return hinted;
}

}  // namespace weightinit::client
