#include "lib/recipe/rule_batch.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <utility>

#include "lib/recipe/paths.h"

namespace weightinit {
namespace {

// Bounds of what is compiled at a time: ordinary rules have some hundred instructions each.
constexpr std::size_t kMostRules = 256;
constexpr int kMostInstructions = 1 << 16;
// For the automaton of all together and its states.
constexpr std::int64_t kSetBytes = std::int64_t{16} << 20;
// Fewer regexes are matched one by one.
constexpr std::size_t kFewRegexes = 4;

re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

class RuleBatch::Set {
 public:
  Set() : set_(Options(), RE2::ANCHOR_BOTH) {}

  bool Compile(const std::vector<RuleMatcher>& matchers, std::span<const int> rules) {
    for (const int rule : rules) {
      const re2::RE2& regex = *matchers[static_cast<std::size_t>(rule)].regex();
      if (set_.Add(Piece(regex.pattern()), nullptr) < 0) return false;
    }
    return set_.Compile();
  }

  // False: too large for this name, which has to be matched rule by rule.
  bool Match(std::string_view name, std::vector<int>& matched) const {
    RE2::Set::ErrorInfo error{};
    matched.clear();
    return set_.Match(Piece(name), &matched, &error) || error.kind == RE2::Set::kNoError;
  }

 private:
  static RE2::Options Options() {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(kSetBytes);
    return options;
  }
  RE2::Set set_;
};

RuleBatch::RuleBatch() = default;
RuleBatch::RuleBatch(RuleBatch&&) noexcept = default;
RuleBatch& RuleBatch::operator=(RuleBatch&&) noexcept = default;
RuleBatch::~RuleBatch() = default;

absl::StatusOr<RuleBatch> RuleBatch::Create(std::span<const Rule> rules, std::size_t first,
                                            const Constants& constants,
                                            const std::function<bool()>& cancelled) {
  RuleBatch batch;
  int instructions = 0;
  for (std::size_t k = first; k < rules.size() && batch.size() < kMostRules; ++k) {
    if (cancelled && cancelled()) return absl::CancelledError("cancelled while matching rules");
    auto matcher = RuleMatcher::Create(rules[k], constants, RulePath(k));
    if (!matcher.ok()) return matcher.status();
    const auto index = static_cast<int>(batch.size());
    (matcher->regex() == nullptr ? batch.any_name_ : batch.rule_of_regex_).push_back(index);
    instructions += matcher->program_size();
    batch.matchers_.push_back(*std::move(matcher));
    if (instructions > kMostInstructions) break;
  }
  if (batch.rule_of_regex_.size() > kFewRegexes) {
    auto set = std::make_unique<Set>();
    if (set->Compile(batch.matchers_, batch.rule_of_regex_)) batch.set_ = std::move(set);
  }
  return batch;
}

void RuleBatch::Match(const std::string& canonical_name, std::string_view module,
                      std::vector<int>& matched) const {
  if (set_ != nullptr && set_->Match(canonical_name, matched)) {
    for (int& index : matched) index = rule_of_regex_[static_cast<std::size_t>(index)];
  } else {
    matched.clear();
    for (const int rule : rule_of_regex_) {
      if (matchers_[static_cast<std::size_t>(rule)].MatchesName(canonical_name))
        matched.push_back(rule);
    }
  }
  matched.insert(matched.end(), any_name_.begin(), any_name_.end());
  std::sort(matched.begin(), matched.end());
  std::erase_if(matched, [&](int rule) {
    return !matchers_[static_cast<std::size_t>(rule)].MatchesModule(module);
  });
}

}  // namespace weightinit
