// What the server's tests share.
#ifndef WEIGHTINIT_TESTS_UNIT_SERVER_TESTING_H_
#define WEIGHTINIT_TESTS_UNIT_SERVER_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "weightinit/engine.h"
#include "weightinit/plan.h"
#include "weightinit/recipe.h"
#include "weightinit/selection.h"
#include "weightinit/sink.h"

namespace weightinit::server {

inline TensorSpec Tensor(std::string name, Shape shape, Initializer init = Normal()) {
  TensorSpec tensor;
  tensor.name = std::move(name);
  tensor.shape = std::move(shape);
  tensor.init = std::move(init);
  return tensor;
}

inline std::shared_ptr<const ModelPlan> PlanOf(std::vector<TensorSpec> tensors) {
  Recipe recipe;
  recipe.tensors = std::move(tensors);
  return std::make_shared<const ModelPlan>(Resolve(recipe).value());
}

// What the library itself draws, in one go.
inline std::string Drawn(const Engine& engine, const ModelPlan& plan,
                         const BoundSelection& selection) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(selection.num_bytes()));
  BytesSink sink(bytes, selection.dtype);
  if (!engine.Fill(plan, selection, sink).ok()) return "failed";
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

inline std::uint64_t DigestOfDrawn(const Engine& engine, const ModelPlan& plan,
                                   const BoundSelection& selection) {
  DigestSink sink;
  return engine.Fill(plan, selection, sink).ok() ? sink.digest() : 0;
}

}  // namespace weightinit::server

#endif  // WEIGHTINIT_TESTS_UNIT_SERVER_TESTING_H_
