// Plans as Python holds them, and what is asked of them.
#ifndef WEIGHTINIT_CLIENT_PYTHON_SRC_PYTHON_PLAN_H_
#define WEIGHTINIT_CLIENT_PYTHON_SRC_PYTHON_PLAN_H_

#include <nanobind/nanobind.h>

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "weightinit/plan.h"
#include "weightinit/recipe.h"
#include "weightinit/selection.h"

namespace weightinit::python {

struct PythonPlan {
  Recipe recipe;
  ModelPlan plan;
};

// (start, size, step) for every dimension.
using BoxTuple = std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>>;

// A whole tensor where there is no box; the tensor's own dtype where dtype is 0. Errors stand at
// "selections[0]", as a server's for this one selection. REQUIRES: the GIL need not be held
BoundSelection BindPart(const PythonPlan& plan, const std::string& name,
                        const std::optional<BoxTuple>& box, int dtype);

void BindPlan(nanobind::module_& module);

}  // namespace weightinit::python

#endif  // WEIGHTINIT_CLIENT_PYTHON_SRC_PYTHON_PLAN_H_
