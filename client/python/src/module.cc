// The extension: the library's functions for the package's own modules, which check what they are
// given. Not for users.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <string>

#include "client/python/src/draw.h"
#include "client/python/src/python_plan.h"
#include "client/python/src/python_recipe.h"
#include "client/python/src/raise.h"
#include "weightinit/dtype.h"
#include "weightinit/engine.h"

namespace nb = nanobind;

NB_MODULE(_core, module) {
  weightinit::python::RegisterErrors();
  weightinit::python::BindRecipe(module);
  weightinit::python::BindPlan(module);
  weightinit::python::BindDraw(module);
  module.attr("version") = std::string(weightinit::Version());
  module.attr("simd_target") = std::string(weightinit::SimdTarget());
  nb::dict dtypes;
  for (const weightinit::DType dtype : weightinit::AllDTypes()) {
    dtypes[nb::str(std::string(weightinit::Name(dtype)).c_str())] = static_cast<int>(dtype);
  }
  module.attr("dtypes") = dtypes;  // the API's name → its number
}
