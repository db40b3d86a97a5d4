#include "client/python/src/python_plan.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstddef>
#include <string_view>
#include <utility>

#include "client/python/src/python_recipe.h"
#include "client/python/src/raise.h"
#include "proto/convert_plan.h"
#include "weightinit/sink.h"

namespace weightinit::python {
namespace {

namespace nb = nanobind;

// Errors point to the file's lines. Uncovered tensors and idle rules are errors here.
PythonPlan ResolveRecipe(const PythonRecipe& recipe) {
  const nb::gil_scoped_release no_gil;
  absl::StatusOr<ModelPlan> plan = Resolve(recipe.file.recipe);
  if (!plan.ok()) throw StatusError(recipe.Located(plan.status()));
  return {recipe.file.recipe, *std::move(plan)};
}

// The answer to a Plan call, serialized.
nb::list MessagesOf(const PythonPlan& plan) {
  nb::list messages;
  for (const v1::PlanResponse& response : proto::PlanToProto(plan.plan, plan.recipe)) {
    const std::string bytes = response.SerializeAsString();
    messages.append(nb::bytes(bytes.data(), bytes.size()));
  }
  return messages;
}

// Name, shape, dtype, and whose elements these are: the position of the tensor that this one is
// tied to, else its own.
nb::list TensorsOf(const PythonPlan& plan) {
  nb::list tensors;
  for (std::size_t i = 0; i < plan.plan.tensors.size(); ++i) {
    const TensorPlan& tensor = plan.plan.tensors[i];
    nb::list shape;
    for (const std::int64_t size : tensor.shape) shape.append(size);
    tensors.append(nb::make_tuple(tensor.name, nb::tuple(shape), static_cast<int>(tensor.dtype),
                                  tensor.tied_to.value_or(static_cast<int>(i))));
  }
  return tensors;
}

// (dtype, shape, base, strides): what BoundSelection says.
nb::tuple PartOf(const PythonPlan& plan, const std::string& name,
                 const std::optional<BoxTuple>& box, int dtype) {
  const BoundSelection part = BindPart(plan, name, box, dtype);
  return nb::make_tuple(static_cast<int>(part.dtype), part.shape, part.base, part.strides);
}

}  // namespace

BoundSelection BindPart(const PythonPlan& plan, const std::string& name,
                        const std::optional<BoxTuple>& box, int dtype) {
  Selection selection;
  selection.name = name;
  if (box.has_value()) {
    Box& dims = selection.slice.emplace<Box>();
    for (const auto& [start, size, step] : *box) {
      dims.dims.push_back({.start = start, .size = size, .step = step});
    }
  }
  if (dtype != 0) selection.dtype = static_cast<DType>(dtype);
  return OrRaise(Bind(plan.plan, selection, "selections[0]"));
}

void BindPlan(nb::module_& module) {
  nb::class_<PythonPlan>(module, "Plan")
      .def_prop_ro("fingerprint",
                   [](const PythonPlan& plan) {
                     return nb::bytes(plan.plan.fingerprint.data(), plan.plan.fingerprint.size());
                   })
      .def_prop_ro("num_bytes", [](const PythonPlan& plan) { return plan.plan.num_bytes; })
      .def("tensors", TensorsOf)
      .def("messages", MessagesOf)
      .def(
          "find",
          [](const PythonPlan& plan, std::string_view name) {
            return OrRaise(FindTensor(plan.plan, name, "selections[0].name"));
          },
          nb::arg("name"))
      .def(
          "is_made_whole",
          [](const PythonPlan& plan, int tensor) { return IsMadeWhole(plan.plan, tensor); },
          nb::arg("tensor"))
      .def("part", PartOf, nb::arg("name"), nb::arg("box").none(), nb::arg("dtype"));
  module.def("resolve", ResolveRecipe, nb::arg("recipe"));
  module.def(
      "digest_weight",
      [](std::string_view name, int dtype, const Shape& shape) {
        return DigestWeight(name, static_cast<DType>(dtype), shape);
      },
      nb::arg("name"), nb::arg("dtype"), nb::arg("shape"));
}

}  // namespace weightinit::python
