#include "client/python/src/python_recipe.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "client/formats/checkpoint.h"
#include "client/python/src/raise.h"
#include "proto/convert_recipe.h"
#include "weightinit/generator.h"

namespace weightinit::python {
namespace {

namespace nb = nanobind;

// The bytes stay the recipe's words in any case: a request that does not fit is the server's to
// refuse.
nb::bytes ToMessage(const PythonRecipe& recipe) {
  const std::string bytes = proto::ToProto(recipe.file.recipe).SerializeAsString();
  return nb::bytes(bytes.data(), bytes.size());
}

// No file, so no lines in errors.
PythonRecipe FromMessage(const nb::bytes& bytes) {
  v1::Recipe message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw nb::value_error("not a weightinit.v1.Recipe");
  }
  return {
      .file = {.recipe = OrRaise(proto::FromProto(message, "")), .document = nullptr, .keys = {}}};
}

nb::list SpecsOf(const PythonRecipe& recipe) {
  nb::list tensors;
  for (const TensorSpec& tensor : recipe.file.recipe.tensors) {
    nb::list shape;
    for (const std::int64_t size : tensor.shape) shape.append(size);
    const DType dtype = tensor.dtype.value_or(recipe.file.recipe.default_dtype);
    tensors.append(nb::make_tuple(tensor.name, nb::tuple(shape), static_cast<int>(dtype),
                                  tensor.module, tensor.buffer));
  }
  return tensors;
}

// Name, dtype (0: not one of ours), shape, first and last byte in the file.
nb::list TensorsOf(const client::SafetensorsHeader& header) {
  nb::list tensors;
  for (const client::SafetensorsTensor& tensor : header.tensors) {
    nb::list shape;
    for (const std::int64_t size : tensor.shape) shape.append(size);
    const int dtype = tensor.dtype.has_value() ? static_cast<int>(*tensor.dtype) : 0;
    tensors.append(nb::make_tuple(tensor.name, dtype, nb::tuple(shape), tensor.begin, tensor.end));
  }
  return tensors;
}

// Of each file of a checkpoint its path, metadata and tensors.
nb::list OpenCheckpoint(const std::string& path) {
  nb::list files;
  for (const client::CheckpointFile& file : OrRaise(client::OpenCheckpoint(path))) {
    nb::dict metadata;
    for (const auto& [key, value] : file.header.metadata) metadata[nb::str(key.c_str())] = value;
    files.append(nb::make_tuple(file.path, metadata, TensorsOf(file.header)));
  }
  return files;
}

}  // namespace

absl::Status PythonRecipe::Located(const absl::Status& status) const {
  return client::WithLines(status, {.tensors = file.document,
                                    .rules = file.document,
                                    .rules_in_file = file.recipe.rules.size()});
}

void BindRecipe(nb::module_& module) {
  nb::class_<PythonRecipe>(module, "Recipe")
      .def_static(
          "parse",
          [](std::string_view text, std::string_view name) {
            return PythonRecipe{OrRaise(client::ParseRecipeFile(text, name))};
          },
          nb::arg("text"), nb::arg("name"))
      .def_static("from_message", FromMessage, nb::arg("message"))
      .def_static(
          "load",
          [](const std::string& path) {
            return PythonRecipe{OrRaise(client::LoadRecipeFile(path))};
          },
          nb::arg("path"))
      .def(
          "with_seed",
          [](const PythonRecipe& recipe, std::uint64_t seed) {
            PythonRecipe other = recipe;
            other.file.recipe.seed = seed;
            return other;
          },
          nb::arg("seed"))
      .def(
          "with_generator",
          [](const PythonRecipe& recipe, std::string_view generator) {
            PythonRecipe other = recipe;
            other.file.recipe.generator = OrRaise(ParseGenerator(generator));
            return other;
          },
          nb::arg("generator"))
      .def_prop_ro("generator",
                   [](const PythonRecipe& recipe) {
                     return std::string(Name(recipe.file.recipe.generator));
                   })
      .def_prop_ro("seed", [](const PythonRecipe& recipe) { return recipe.file.recipe.seed; })
      .def("tensors", SpecsOf)
      .def("message", ToMessage);
  module.def("open_checkpoint", OpenCheckpoint, nb::arg("path"));
}

}  // namespace weightinit::python
