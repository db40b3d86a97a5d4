#include "lib/recipe/rule_matcher.h"

#include <re2/re2.h>

#include "lib/base/text.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

absl::Status CheckRule(const Rule& rule, const std::string& path) {
  if (rule.has_view) {
    return FieldError(path + ".view", "views are not supported by this version",
                      absl::StatusCode::kUnimplemented);
  }
  if (!rule.scale.empty()) {
    return FieldError(path + ".scale",
                      Quote(rule.scale) + ": scale expressions are not supported by this version",
                      absl::StatusCode::kUnimplemented);
  }
  if (!rule.name_regex.has_value() && !rule.module.has_value()) {
    return FieldError(path, "matches on nothing; allowed: name_regex, module, or both");
  }
  if (rule.skip == rule.init.has_value()) {
    return FieldError(path + ".init", rule.skip
                                          ? "given although the rule skips; allowed: init or skip"
                                          : "missing; allowed: an initializer, or skip: true");
  }
  return absl::OkStatus();
}

// RE2's messages may repeat the whole expression.
std::string Excerpt(const std::string& error) {
  constexpr std::size_t kMaxBytes = 80;
  return error.size() <= kMaxBytes ? error : Quote(error);
}

}  // namespace

absl::StatusOr<std::unique_ptr<re2::RE2>> CompileRegex(std::string_view regex,
                                                       std::string_view field) {
  // A rule of a few kilobytes compiles to a fraction of this; what does not is an attack or a
  // mistake.
  constexpr std::int64_t kMaxProgramBytes = 1 << 20;
  if (!IsValidUtf8(regex)) return FieldError(field, Quote(regex) + " is not valid UTF-8");
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxProgramBytes);
  auto compiled = std::make_unique<RE2>(re2::StringPiece(regex.data(), regex.size()), options);
  if (!compiled->ok())
    return FieldError(
        field, Quote(regex) + " is not a usable RE2 expression: " + Excerpt(compiled->error()));
  return compiled;
}

RuleMatcher::RuleMatcher(RuleMatcher&&) noexcept = default;
RuleMatcher& RuleMatcher::operator=(RuleMatcher&&) noexcept = default;
RuleMatcher::~RuleMatcher() = default;

absl::StatusOr<RuleMatcher> RuleMatcher::Create(const std::vector<Rule>& rules) {
  RuleMatcher matcher;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const std::string path = "rules[" + std::to_string(i) + "]";
    const absl::Status status = CheckRule(rules[i], path);
    if (!status.ok()) return status;
    CompiledRule compiled{nullptr, rules[i].module};
    if (rules[i].name_regex.has_value()) {
      auto regex = CompileRegex(*rules[i].name_regex, path + ".name_regex");
      if (!regex.ok()) return regex.status();
      compiled.regex = *std::move(regex);
    }
    matcher.rules_.push_back(std::move(compiled));
  }
  return matcher;
}

std::vector<int> RuleMatcher::Matches(std::string_view canonical_name,
                                      std::string_view module) const {
  std::vector<int> matches;
  const re2::StringPiece name(canonical_name.data(), canonical_name.size());
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const CompiledRule& rule = rules_[i];
    if (rule.module.has_value() && *rule.module != module) continue;
    if (rule.regex != nullptr && !RE2::FullMatch(name, *rule.regex)) continue;
    matches.push_back(static_cast<int>(i));
  }
  return matches;
}

}  // namespace weightinit
