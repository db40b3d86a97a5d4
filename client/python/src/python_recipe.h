// Recipes as Python holds them.
#ifndef WEIGHTINIT_CLIENT_PYTHON_SRC_PYTHON_RECIPE_H_
#define WEIGHTINIT_CLIENT_PYTHON_SRC_PYTHON_RECIPE_H_

#include <nanobind/nanobind.h>

#include "client/formats/recipe_file.h"

namespace weightinit::python {

// A recipe and the file that its errors point into.
struct PythonRecipe {
  client::RecipeFile file;

  // `status` with file and lines.
  absl::Status Located(const absl::Status& status) const;
};

void BindRecipe(nanobind::module_& module);

}  // namespace weightinit::python

#endif  // WEIGHTINIT_CLIENT_PYTHON_SRC_PYTHON_RECIPE_H_
