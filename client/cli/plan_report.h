// A plan as text: what each tensor is drawn from and why, what each rule did, totals and warnings.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_CLIENT_CLI_PLAN_REPORT_H_
#define WEIGHTINIT_CLIENT_CLI_PLAN_REPORT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "client/backend.h"
#include "client/cli/terminal.h"
#include "weightinit/recipe.h"

namespace weightinit::client {

// How many tensors each rule of a recipe won, by the rule's index. An answer does not tell which
// rule skipped a tensor.
std::vector<std::size_t> TensorsOfRules(const Coverage& coverage, const Recipe& recipe);
std::vector<std::size_t> TensorsOfRules(const PlanAnswer& answer, const Recipe& recipe);

// Of each rule that matches nothing and may not: what it nearly matches, in words. Empty for
// others, and where nothing is near.
std::vector<std::string> IdleHints(const PlanAnswer& answer, const Recipe& recipe);

// The whole report. `answer` may have lost the tensors that were not asked for; `tensors_of_rules`
// is of the whole, and so are `idle_hints`. `start_text` names generator and seed, as
// people read them.
std::string PlanReportText(const PlanAnswer& answer, const Recipe& recipe,
                           const std::vector<std::size_t>& tensors_of_rules,
                           const std::vector<std::string>& idle_hints,
                           const std::string& start_text, const Terminal& terminal);

// Its last lines: totals, generator, seed, fingerprint.
std::string PlanTotalsText(const v1::PlanReport& report, const std::string& start_text);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_PLAN_REPORT_H_
