#include "lib/recipe/rule_matcher.h"

#include <re2/re2.h>

#include <utility>

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

RuleMatcher::RuleMatcher(std::unique_ptr<re2::RE2> regex, std::optional<std::string> module)
    : regex_(std::move(regex)), module_(std::move(module)) {}
RuleMatcher::RuleMatcher(RuleMatcher&&) noexcept = default;
RuleMatcher& RuleMatcher::operator=(RuleMatcher&&) noexcept = default;
RuleMatcher::~RuleMatcher() = default;

absl::StatusOr<RuleMatcher> RuleMatcher::Create(const Rule& rule, const std::string& path) {
  const absl::Status status = CheckRule(rule, path);
  if (!status.ok()) return status;
  std::unique_ptr<re2::RE2> regex;
  if (rule.name_regex.has_value()) {
    auto compiled = CompileRegex(*rule.name_regex, path + ".name_regex");
    if (!compiled.ok()) return compiled.status();
    regex = *std::move(compiled);
  }
  return RuleMatcher(std::move(regex), rule.module);
}

bool RuleMatcher::Matches(std::string_view canonical_name, std::string_view module) const {
  if (module_.has_value() && *module_ != module) return false;
  return regex_ == nullptr ||
         RE2::FullMatch(re2::StringPiece(canonical_name.data(), canonical_name.size()), *regex_);
}

}  // namespace weightinit
