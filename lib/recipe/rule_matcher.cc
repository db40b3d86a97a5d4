#include "lib/recipe/rule_matcher.h"

#include <re2/re2.h>

#include <cmath>
#include <utility>

#include "lib/base/text.h"
#include "lib/layout/view_parts.h"
#include "lib/recipe/view_names.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

absl::Status CheckRule(const Rule& rule, const std::string& path) {
  if (!rule.name_regex.has_value() && !rule.module.has_value()) {
    return FieldError(path, "matches on nothing; allowed: name_regex, module, or both");
  }
  const bool tied = IsTied(rule.view);
  if (rule.skip || tied) {
    const std::string why =
        rule.skip ? "given although the rule skips" : "given although the rule's view ties";
    const std::string allowed = rule.skip ? " or skip" : " or a view that ties";
    if (rule.init.has_value()) return FieldError(path + ".init", why + "; allowed: init" + allowed);
    if (!rule.scale.empty()) return FieldError(path + ".scale", why + "; allowed: scale" + allowed);
    if (rule.skip && rule.view.has_value())
      return FieldError(path + ".view", why + "; allowed: view" + allowed);
    return absl::OkStatus();
  }
  if (!rule.init.has_value() && InitOfEveryPart(rule.view) == nullptr)
    return FieldError(path + ".init", "missing; allowed: an initializer, or skip: true");
  return absl::OkStatus();
}

// RE2's messages may repeat the whole expression.
std::string Excerpt(const std::string& error) {
  constexpr std::size_t kMaxBytes = 80;
  return error.size() <= kMaxBytes ? error : Quote(error);
}

re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

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
  auto compiled = std::make_unique<RE2>(Piece(regex), options);
  if (!compiled->ok())
    return FieldError(
        field, Quote(regex) + " is not a usable RE2 expression: " + Excerpt(compiled->error()));
  return compiled;
}

RuleMatcher::RuleMatcher(const Rule& rule, std::string path)
    : rule_(&rule), path_(std::move(path)) {}
RuleMatcher::RuleMatcher(RuleMatcher&&) noexcept = default;
RuleMatcher& RuleMatcher::operator=(RuleMatcher&&) noexcept = default;
RuleMatcher::~RuleMatcher() = default;

absl::StatusOr<RuleMatcher> RuleMatcher::Create(const Rule& rule, const Constants& constants,
                                                const std::string& path) {
  absl::Status status = CheckRule(rule, path);
  RuleMatcher matcher(rule, path);
  if (status.ok()) status = matcher.Compile(constants);
  if (!status.ok()) return status;
  return matcher;
}

absl::Status RuleMatcher::Compile(const Constants& constants) {
  if (rule_->name_regex.has_value()) {
    auto compiled = CompileRegex(*rule_->name_regex, path_ + ".name_regex");
    if (!compiled.ok()) return compiled.status();
    regex_ = *std::move(compiled);
  }
  if (!rule_->scale.empty()) {
    if (regex_ != nullptr) {
      for (const auto& [name, index] : regex_->NamedCapturingGroups()) {
        group_names_.push_back(name);
        groups_.push_back(index);
      }
    }
    auto scale = ScaleExpression::Create(rule_->scale, constants, group_names_, path_ + ".scale");
    if (!scale.ok()) return scale.status();
    scale_ = *std::move(scale);
  }
  if (!rule_->view.has_value()) return absl::OkStatus();
  if (regex_ == nullptr) regex_ = std::make_unique<RE2>("(?s).*");  // whose \0 is the name
  return ForEachName(*rule_->view, path_ + ".view",
                     [this](const std::string& name, const std::string& field) -> absl::Status {
                       if (name.find('\\') == std::string::npos) return absl::OkStatus();
                       rewrites_ = true;
                       std::string error;
                       if (regex_->CheckRewriteString(Piece(name), &error)) return absl::OkStatus();
                       return FieldError(field, Quote(name) + ": " + error);
                     });
}

bool RuleMatcher::MatchesName(std::string_view canonical_name) const {
  return regex_ == nullptr || RE2::FullMatch(Piece(canonical_name), *regex_);
}

bool RuleMatcher::MatchesModule(std::string_view module) const {
  return !rule_->module.has_value() || *rule_->module == module;
}

int RuleMatcher::program_size() const { return regex_ == nullptr ? 0 : regex_->ProgramSize(); }

absl::StatusOr<RuleMatcher::Made> RuleMatcher::MakeFor(const std::string& canonical_name) {
  Made made;
  made.view = rule_->view;
  if (!scale_.has_value() && !rewrites_) return made;
  std::vector<re2::StringPiece> groups(1, Piece(canonical_name));
  if (regex_ != nullptr) {
    groups.resize(static_cast<std::size_t>(regex_->NumberOfCapturingGroups()) + 1);
    regex_->Match(Piece(canonical_name), 0, canonical_name.size(), RE2::ANCHOR_BOTH, groups.data(),
                  static_cast<int>(groups.size()));
  }
  if (scale_.has_value()) {
    const auto error = [&](const std::string& reason) {
      return FieldError(path_ + ".scale",
                        Quote(rule_->scale) + " for " + Quote(canonical_name) + ": " + reason);
    };
    std::vector<double> values;
    for (const std::size_t used : scale_->used_groups()) {
      const re2::StringPiece text = groups[static_cast<std::size_t>(groups_[used])];
      const auto value = ReadNumber({text.data(), text.size()});
      if (!value.has_value() || !std::isfinite(*value)) {
        return error("the group " + Quote(group_names_[used]) + " is " +
                     Quote({text.data(), text.size()}) + "; allowed: a number");
      }
      values.push_back(*value);
    }
    auto scale = scale_->Evaluate(values);
    if (!scale.ok()) {
      const std::string why(scale.status().message());
      return error(why);
    }
    made.scale = *scale;
  }
  if (rewrites_) {
    auto view = WithNames(
        *rule_->view, path_ + ".view",
        [&](const std::string& name, const std::string&) -> absl::StatusOr<std::string> {
          std::string rewritten;
          regex_->Rewrite(&rewritten, Piece(name), groups.data(), static_cast<int>(groups.size()));
          return rewritten;
        });
    if (!view.ok()) return view.status();
    made.view = OptionalView(*std::move(view));
  }
  return made;
}

}  // namespace weightinit
