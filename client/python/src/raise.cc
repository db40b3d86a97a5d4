#include "client/python/src/raise.h"

#include <nanobind/nanobind.h>

#include <string>

#include "weightinit/status.h"

namespace weightinit::python {
namespace {

namespace nb = nanobind;

// Messages quote what was given, which need not be UTF-8.
nb::object Text(const std::string& text) {
  return nb::steal(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

void Translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const StatusError& error) {
    nb::list violations;
    for (const FieldViolation& violation : FieldViolations(error.status())) {
      violations.append(nb::make_tuple(Text(violation.field), Text(violation.description)));
    }
    const nb::object made =
        nb::module_::import_("weightinit.errors")
            .attr("make")(Text(absl::StatusCodeToString(error.status().code())),
                          Text(std::string(error.status().message())), violations);
    PyErr_SetObject(made.type().ptr(), made.ptr());
  }
}

}  // namespace

void RegisterErrors() { nb::register_exception_translator(Translate, nullptr); }

}  // namespace weightinit::python
