// Errors that point at a field.
//
// Everything in this library reports failure as absl::Status. A refusal names the field, the value
// given and what is allowed: "tensors[3].init.sparse.sparsity: 1.5 is outside [0, 1]". The same
// violations travel as data in the status, so that a service or a program need not take the text
// apart.
//
// Codes: INVALID_ARGUMENT (bad spec), NOT_FOUND (a selection names no tensor), FAILED_PRECONDITION
// (uncovered tensors, idle rules), RESOURCE_EXHAUSTED (a limit), UNIMPLEMENTED (part of the API
// that this version does not do), CANCELLED.
#ifndef WEIGHTINIT_STATUS_H_
#define WEIGHTINIT_STATUS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "weightinit/export.h"

namespace weightinit {

struct FieldViolation {
  std::string field;        // "tensors[3].init.sparse.sparsity"
  std::string description;  // "1.5 is outside [0, 1]"
};

// One violation. The message is "field: description".
WEIGHTINIT_EXPORT absl::Status FieldError(
    std::string_view field, std::string_view description,
    absl::StatusCode code = absl::StatusCode::kInvalidArgument);

// Several violations of one kind: the message is `summary`, with the number of violations if they
// are more than 20, then the first 20 of them, a line each, then how many are left out;
// FieldViolations has the same 20. REQUIRES: !violations.empty()
WEIGHTINIT_EXPORT absl::Status FieldErrors(std::string_view summary,
                                           const std::vector<FieldViolation>& violations,
                                           absl::StatusCode code);

// What FieldError and FieldErrors put into a status; empty for any other status.
WEIGHTINIT_EXPORT std::vector<FieldViolation> FieldViolations(const absl::Status& status);

}  // namespace weightinit

#endif  // WEIGHTINIT_STATUS_H_
