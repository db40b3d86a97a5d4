#include "lib/recipe/idle_hint.h"

#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <set>

#include "lib/base/text.h"
#include "lib/recipe/rule_matcher.h"

namespace weightinit {
namespace {

constexpr std::size_t kMostShown = 3;
// Distinct patterns that are looked at: no model has more kinds of layers.
constexpr std::size_t kMostPatterns = 5000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// "h.11.mlp" → "h.0.mlp"
std::string WithoutNumbers(std::string_view name) {
  std::string pattern;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (!IsDigit(name[i])) {
      pattern += name[i];
    } else if (i == 0 || !IsDigit(name[i - 1])) {
      pattern += '0';
    }
  }
  return pattern;
}

std::string Quoted(const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  quoted.reserve(names.size());
  for (const std::string& name : names) quoted.push_back(Quote(name));
  return Join(quoted, ", ");
}

}  // namespace

LikelyName LikelyNameOf(std::string_view regex) {
  LikelyName name;
  std::string text;
  int depth = 0;
  for (std::size_t i = 0; i < regex.size(); ++i) {
    const char c = regex[i];
    if (c == '.' && i + 1 < regex.size() && (regex[i + 1] == '*' || regex[i + 1] == '+')) {
      ++i;
      (text.empty() ? name.open.start : name.open.end) = true;
      continue;
    }
    const std::size_t length = text.size();
    if (c == '\\' && i + 1 < regex.size()) {
      const char escaped = regex[++i];
      if (escaped == 'd') {
        text += '0';
      } else if (!((escaped >= 'a' && escaped <= 'z') || (escaped >= 'A' && escaped <= 'Z'))) {
        text += escaped;
      }
    } else if (c == '[') {
      const std::size_t end = regex.find(']', i);
      const std::string_view set = regex.substr(i, end - i);
      if (set.find_first_of("0123456789") != std::string_view::npos) text += '0';
      if (end == std::string_view::npos) break;
      i = end;
    } else if (c == '(') {
      ++depth;
      if (regex.substr(i, 2) == "(?") i = std::min(regex.find_first_of(">:)", i), regex.size() - 1);
      if (regex[i] == ')') --depth;  // flags alone, as (?i)
    } else if (c == ')') {
      --depth;
    } else if (c == '{') {
      i = std::min(regex.find('}', i), regex.size() - 1);
    } else if (c == '|') {
      if (depth == 0) break;
      for (int inner = depth; i + 1 < regex.size(); ++i) {
        const char next = regex[i + 1];
        if (next == ')' && inner == depth) break;
        if (next == '\\') ++i;
        if (next == '(') ++inner;
        if (next == ')') --inner;
      }
    } else if (std::string_view("?*+^$").find(c) == std::string_view::npos) {
      text += c;
    }
    if (text.size() > length) name.open.end = false;
  }
  name.text = WithoutNumbers(text);
  return name;
}

NearMatches::NearMatches(const Recipe& recipe, std::span<const std::string> names)
    : recipe_(recipe), names_(names) {
  std::set<std::string> patterns, modules;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (patterns.size() < kMostPatterns) {
      std::string pattern = WithoutNumbers(names[i]);
      if (patterns.insert(pattern).second) {
        patterns_.push_back(std::move(pattern));
        example_of_.push_back(i);
      }
    }
    const std::string& module = recipe.tensors[i].module;
    if (!module.empty() && modules.insert(module).second) modules_.push_back(module);
  }
}

std::string NearMatches::HintFor(const Rule& rule) const {
  std::vector<std::string> hints;
  if (rule.module.has_value()) {
    if (std::find(modules_.begin(), modules_.end(), *rule.module) == modules_.end()) {
      const std::vector<std::string_view> candidates(modules_.begin(), modules_.end());
      const std::vector<std::string> nearest = Nearest(*rule.module, candidates, kMostShown);
      hints.push_back(modules_.empty()  ? "no tensor has a module"
                      : nearest.empty() ? "no tensor has that module"
                                        : "nearest modules: " + Quoted(nearest));
    }
  }
  if (!rule.name_regex.has_value()) return Join(hints, "; ");
  auto regex = CompileRegex(*rule.name_regex, "");
  if (!regex.ok()) return Join(hints, "; ");
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (!RE2::FullMatch(names_[i], **regex)) continue;
    const TensorSpec& spec = recipe_.tensors[i];
    if (rule.module.has_value() && spec.module != *rule.module) {
      hints.push_back(Quote(names_[i]) + " has " +
                      (spec.module.empty() ? "no module" : "the module " + Quote(spec.module)));
    } else {
      hints.push_back(Quote(names_[i]) + " has an init or a tie of its own");
    }
    return Join(hints, "; ");
  }
  for (const std::size_t example : example_of_) {
    if (!RE2::PartialMatch(names_[example], **regex)) continue;
    hints.push_back("it is found in " + Quote(names_[example]) +
                    ", but matches whole names; with .* before or behind it, it would match");
    return Join(hints, "; ");
  }
  const std::vector<std::string_view> candidates(patterns_.begin(), patterns_.end());
  const LikelyName likely = LikelyNameOf(*rule.name_regex);
  std::vector<std::string> nearest;
  for (const std::string& pattern : Nearest(likely.text, candidates, kMostShown, likely.open)) {
    const auto at = std::find(patterns_.begin(), patterns_.end(), pattern) - patterns_.begin();
    nearest.push_back(names_[example_of_[static_cast<std::size_t>(at)]]);
  }
  if (!nearest.empty()) hints.push_back("nearest names: " + Quoted(nearest));
  return Join(hints, "; ");
}

}  // namespace weightinit
