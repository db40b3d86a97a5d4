#include "client/cli/plan_report.h"

#include <algorithm>
#include <optional>
#include <variant>

#include "client/cli/look.h"
#include "client/cli/replay_text.h"
#include "client/cli/table.h"
#include "client/printable.h"
#include "weightinit/initializer.h"

namespace weightinit::client {
namespace {

// On a terminal, of lists that may be as long as the model.
constexpr std::size_t kMostShown = 8;

using enum Table::Fit;

// What of the draws there is to say in one cell.
std::string DrawsText(const v1::TensorPlan& tensor) {
  if (tensor.part_count() > 0) {
    return tensor.layout() + " of " + WithCommas(tensor.part_count()) + " draws";
  }
  const bool is_plain = tensor.layout().empty() || tensor.layout() == "identity";
  return (is_plain ? "" : tensor.layout() + ": ") + DistributionText(tensor.distribution());
}

std::string TensorsText(const PlanAnswer& answer, const Terminal& terminal) {
  constexpr auto kRight = Table::Align::kRight;
  constexpr auto kBelow = Table::Moved::kBelow;
  Table table({{.title = "TENSOR", .fit = kShortenedInTheMiddle},
               {.title = "SHAPE"},
               {.title = "DTYPE"},
               {.title = "RULE"},
               {.title = "INITIALIZER", .fit = kShortened, .rank = 1, .moved = kBelow},
               {.title = "DRAWS", .fit = kShortened, .rank = 3},
               {.title = "MEAN", .align = kRight},
               {.title = "STD", .align = kRight},
               {.title = "WHY", .rank = 2, .moved = kBelow}});
  for (const v1::TensorPlan& tensor : answer.tensors) {
    table.Add({tensor.name(), ShapeText(tensor.shape()), v1::DType_Name(tensor.dtype()),
               tensor.has_rule() ? std::to_string(tensor.rule()) : "own", tensor.initializer(),
               DrawsText(tensor), Short(tensor.expected_mean()), Short(tensor.expected_std()),
               tensor.why()});
  }
  return table.Text(terminal);
}

std::string MatchesText(const Rule& rule) {
  std::string text;
  if (rule.name_regex.has_value()) text = "name " + *rule.name_regex;
  if (rule.module.has_value()) text += (text.empty() ? "" : ", ") + ("module " + *rule.module);
  return text;
}

bool IsTiedTo(const OptionalView& view) {
  if (!view.has_value()) return false;
  const auto* transpose = std::get_if<Transpose>(&view->kind);
  return transpose != nullptr ? IsTiedTo(transpose->view)
                              : std::holds_alternative<TiedTo>(view->kind);
}

std::string RulesText(const PlanAnswer& answer, const Recipe& recipe,
                      const std::vector<std::size_t>& tensors_of_rules,
                      const std::vector<std::string>& idle_hints, const Terminal& terminal) {
  if (recipe.rules.empty()) return "";
  Table table({{.title = "RULE", .align = Table::Align::kRight},
               {.title = "MATCHES", .fit = kShortened},
               {.title = "GIVES", .fit = kShortened},
               {.title = "TENSORS", .align = Table::Align::kRight},
               {.title = "", .rank = 1, .moved = Table::Moved::kBelow}});
  const auto& idle = answer.report.idle_rules();
  std::size_t idle_as_allowed = 0;
  for (std::size_t r = 0; r < recipe.rules.size(); ++r) {
    const Rule& rule = recipe.rules[r];
    const auto found = std::find_if(idle.begin(), idle.end(),
                                    [r](const auto& entry) { return entry.rule() == r; });
    if (found != idle.end() && found->allowed() && idle_hints[r].empty()) {
      ++idle_as_allowed;
      continue;
    }
    const bool is_known = !rule.skip || answer.report.drawable();
    // A rule that matches without ever winning is not idle, but as good as.
    const std::string note =
        found != idle.end()
            ? "matches nothing" + (idle_hints[r].empty() ? "" : "; " + idle_hints[r])
        : tensors_of_rules[r] == 0 && is_known ? "earlier rules win everywhere"
                                               : "";
    table.Add({std::to_string(r), MatchesText(rule),
               rule.skip               ? "skip"
               : rule.init.has_value() ? ToString(*rule.init)
               : IsTiedTo(rule.view)   ? "what it is tied to"
                                       : "what its parts say",
               is_known ? std::to_string(tensors_of_rules[r]) : "-", note});
  }
  std::string text = idle_as_allowed < recipe.rules.size() ? table.Text(terminal) : "";
  if (idle_as_allowed > 0) {
    text += WithCommas(idle_as_allowed) + (idle_as_allowed == 1
                                               ? " rule matches nothing, as it may\n"
                                               : " rules match nothing, as they may\n");
  }
  return text;
}

// `title`, and below it a line for each of `entries`: a few on a terminal, all in a pipe.
template <typename Entries, typename LineOf>
std::string ListText(const std::string& title, const Entries& entries, const Terminal& terminal,
                     const LineOf& line_of) {
  if (entries.empty()) return "";
  std::string text = title + ":\n";
  const auto count = static_cast<std::size_t>(entries.size());
  const std::size_t most = terminal.is_terminal() ? kMostShown : count;
  std::size_t shown = 0;
  for (const auto& entry : entries) {
    if (shown == most) break;
    text += "  " + Printable(line_of(entry)) + "\n";
    ++shown;
  }
  if (shown < count) text += "  … and " + WithCommas(count - shown) + " more (in a pipe: all)\n";
  return text;
}

std::string OverlapsText(const v1::PlanReport& report, const Terminal& terminal) {
  const std::string title = WithCommas(report.overlap_count()) +
                            (report.overlap_count() == 1 ? " tensor matches" : " tensors match") +
                            " several rules; the first one wins";
  return ListText(title, report.overlaps(), terminal, [](const auto& overlap) {
    std::string line = overlap.tensor() + ": rule " + std::to_string(overlap.rule()) + " wins over";
    for (int i = 0; i < overlap.other_rules_size(); ++i)
      line += (i == 0 ? " " : ", ") + std::to_string(overlap.other_rules(i));
    const auto listed = static_cast<std::uint32_t>(overlap.other_rules_size());
    if (overlap.other_rule_count() > listed)
      line += " and " + WithCommas(overlap.other_rule_count() - listed) + " more";
    return line;
  });
}

std::string UncoveredText(const v1::PlanReport& report, const Terminal& terminal) {
  return ListText(WithCommas(report.uncovered_count()) + " covered by no rule", report.uncovered(),
                  terminal, [](const std::string& tensor) { return tensor; });
}

std::string ApproximationsText(const PlanAnswer& answer) {
  std::vector<Approximation> approximations;
  for (const v1::TensorPlan& tensor : answer.tensors) {
    for (const std::string& note : tensor.notes())
      AddApproximation(tensor.name(), note, approximations);
  }
  std::string text;
  for (const Approximation& approximation : approximations)
    text += Printable(ApproximationText(approximation)) + "\n";
  return text;
}

std::string WarningsText(const PlanAnswer& answer, const Terminal& terminal) {
  std::string text;
  const auto add = [&](const std::string& warning) {
    text += terminal.Yellow("warning:") + " " + Printable(warning) + "\n";
  };
  for (const v1::TensorPlan& tensor : answer.tensors) {
    for (const std::string& warning : tensor.warnings()) add(tensor.name() + ": " + warning);
  }
  for (const std::string& warning : answer.report.warnings()) add(warning);
  return text;
}

}  // namespace

std::vector<std::size_t> TensorsOfRules(const Coverage& coverage, const Recipe& recipe) {
  std::vector<std::size_t> counts(recipe.rules.size());
  for (const std::optional<int>& rule : coverage.rule_of_tensor) {
    if (rule.has_value()) ++counts[static_cast<std::size_t>(*rule)];
  }
  return counts;
}

std::vector<std::size_t> TensorsOfRules(const PlanAnswer& answer, const Recipe& recipe) {
  std::vector<std::size_t> counts(recipe.rules.size());
  for (const v1::TensorPlan& tensor : answer.tensors) {
    if (tensor.has_rule() && tensor.rule() < counts.size()) ++counts[tensor.rule()];
  }
  return counts;
}

std::vector<std::string> IdleHints(const PlanAnswer& answer, const Recipe& recipe) {
  std::vector<std::string> hints(recipe.rules.size());
  const auto& idle = answer.report.idle_rules();
  // Where a recipe allows it, they are warnings already.
  if (std::all_of(idle.begin(), idle.end(), [](const auto& entry) { return entry.allowed(); }))
    return hints;
  Recipe relaxed = recipe;
  relaxed.allow_idle = relaxed.allow_uncovered = true;
  const absl::StatusOr<Expansion> expansion = Expand(relaxed);
  if (!expansion.ok()) return hints;
  const Coverage& coverage = expansion->coverage;
  for (std::size_t i = 0; i < coverage.idle_rules.size(); ++i)
    hints[static_cast<std::size_t>(coverage.idle_rules[i])] = coverage.idle_hints[i];
  return hints;
}

std::string PlanReportText(const PlanAnswer& answer, const Recipe& recipe,
                           const std::vector<std::size_t>& tensors_of_rules,
                           const std::vector<std::string>& idle_hints,
                           const std::string& start_text, const Terminal& terminal) {
  const v1::PlanReport& report = answer.report;
  std::string text = TensorsText(answer, terminal);
  if (const std::string rules = RulesText(answer, recipe, tensors_of_rules, idle_hints, terminal);
      !rules.empty()) {
    text += "\n" + rules + "\n";
  }
  text += OverlapsText(report, terminal);
  text += UncoveredText(report, terminal);
  text += ApproximationsText(answer);
  text += WarningsText(answer, terminal);
  if (answer.tensors.size() < report.tensor_count()) {
    text += WithCommas(answer.tensors.size()) + " of " + WithCommas(report.tensor_count()) +
            " tensors shown; the whole recipe:\n";
  }
  text += PlanTotalsText(report, start_text);
  return text;
}

std::string PlanTotalsText(const v1::PlanReport& report, const std::string& start_text) {
  std::string text = WithCommas(report.tensor_count()) +
                     (report.tensor_count() == 1 ? " tensor, " : " tensors, ") +
                     WithCommas(report.element_count()) + " elements, " +
                     HumanBytes(static_cast<double>(report.byte_count())) + "; " + start_text +
                     "\n";
  if (report.skipped_size() > 0) {
    text += WithCommas(static_cast<std::uint64_t>(report.skipped_size())) + " skipped by rules\n";
  }
  if (report.drawable()) {
    const std::string& fingerprint = report.fingerprint();
    text += "fingerprint " +
            ToHex({reinterpret_cast<const std::uint8_t*>(fingerprint.data()), fingerprint.size()}) +
            "\n";
  }
  return text;
}

}  // namespace weightinit::client
