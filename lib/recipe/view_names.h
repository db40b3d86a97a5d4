// The names in a view: draw names of parts, and the tensor that another is tied to.
#ifndef WEIGHTINIT_LIB_RECIPE_VIEW_NAMES_H_
#define WEIGHTINIT_LIB_RECIPE_VIEW_NAMES_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "weightinit/view.h"

namespace weightinit {

// Calls visit(name, field) for each, in order; the first error ends it. `field` is the view's.
using NameVisitor = std::function<absl::Status(const std::string& name, const std::string& field)>;
absl::Status ForEachName(const View& view, const std::string& field, const NameVisitor& visit);

// The view with each name replaced.
using NameRewrite =
    std::function<absl::StatusOr<std::string>(const std::string& name, const std::string& field)>;
absl::StatusOr<View> WithNames(const View& view, const std::string& field,
                               const NameRewrite& rewrite);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_VIEW_NAMES_H_
