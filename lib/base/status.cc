#include "weightinit/status.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_adapter.h"

namespace weightinit {
namespace {

// One violation per line, field and description apart by a tab; neither holds the other's separator
// unescaped.
constexpr absl::string_view kPayloadUrl = "weightinit.v1.FieldViolations";
constexpr std::size_t kMaxShown = 20;

std::string OneLine(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\t' || c == '\r'; }, ' ');
  return line;
}

}  // namespace

absl::Status FieldError(std::string_view field, std::string_view description,
                        absl::StatusCode code) {
  absl::Status status(code,
                      absl::StrCat(ToAbsl(field), field.empty() ? "" : ": ", ToAbsl(description)));
  status.SetPayload(kPayloadUrl, absl::Cord(OneLine(field) + "\t" + OneLine(description)));
  return status;
}

absl::Status FieldErrors(std::string_view summary, const std::vector<FieldViolation>& violations,
                         absl::StatusCode code) {
  std::string message(summary);
  // The count also stands in front, since transports cut long messages at the end.
  if (violations.size() > kMaxShown) {
    absl::StrAppend(&message, summary.ends_with(':') ? " " : ": ", violations.size(), " errors");
  }
  std::string payload;
  for (std::size_t i = 0; i < std::min(violations.size(), kMaxShown); ++i) {
    const FieldViolation& violation = violations[i];
    absl::StrAppend(&message, "\n  ", violation.field, ": ", violation.description);
    absl::StrAppend(&payload, i == 0 ? "" : "\n", OneLine(violation.field), "\t",
                    OneLine(violation.description));
  }
  if (violations.size() > kMaxShown) {
    absl::StrAppend(&message, "\n  and ", violations.size() - kMaxShown, " more");
  }
  absl::Status status(code, message);
  status.SetPayload(kPayloadUrl, absl::Cord(payload));
  return status;
}

std::vector<FieldViolation> FieldViolations(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  const auto payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value()) return violations;
  const std::string text(*payload);
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    const std::size_t tab = line.find('\t');
    violations.push_back(
        {line.substr(0, tab), tab == std::string::npos ? "" : line.substr(tab + 1)});
    start = end + 1;
  }
  return violations;
}

}  // namespace weightinit
