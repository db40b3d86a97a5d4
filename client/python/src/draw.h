// Drawing into memory that Python owns, and digests of it.
#ifndef WEIGHTINIT_CLIENT_PYTHON_SRC_DRAW_H_
#define WEIGHTINIT_CLIENT_PYTHON_SRC_DRAW_H_

#include <nanobind/nanobind.h>

namespace weightinit::python {

void BindDraw(nanobind::module_& module);

}  // namespace weightinit::python

#endif  // WEIGHTINIT_CLIENT_PYTHON_SRC_DRAW_H_
