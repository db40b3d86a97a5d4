// What the library's tests share: specs in one line, whole tensors as bytes, statuses as matchers.
#ifndef WEIGHTINIT_TESTS_UNIT_LIB_TESTING_H_
#define WEIGHTINIT_TESTS_UNIT_LIB_TESTING_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "weightinit/engine.h"
#include "weightinit/plan.h"
#include "weightinit/recipe.h"
#include "weightinit/selection.h"
#include "weightinit/sink.h"
#include "weightinit/status.h"

namespace weightinit {

// How values are shown when a test fails.
inline void PrintTo(DType dtype, std::ostream* out) { *out << Name(dtype); }
inline void PrintTo(const Initializer& init, std::ostream* out) { *out << ToString(init); }

namespace test {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg);
  return arg.ok();
}

// A refusal of exactly one field, whose description has this fragment.
MATCHER_P3(FailsWith, code, field, fragment, "") {
  const absl::Status& status = StatusOf(arg);
  *result_listener << status;
  const std::vector<FieldViolation> violations = FieldViolations(status);
  return status.code() == code && violations.size() == 1 && violations[0].field == field &&
         violations[0].description.find(fragment) != std::string::npos &&
         status.message() == violations[0].field + ": " + violations[0].description;
}

inline auto IsInvalid(std::string field, std::string fragment = "") {
  return FailsWith(absl::StatusCode::kInvalidArgument, std::move(field), std::move(fragment));
}

#define ASSERT_OK(expression) ASSERT_THAT((expression), ::weightinit::test::IsOk())
#define EXPECT_OK(expression) EXPECT_THAT((expression), ::weightinit::test::IsOk())

inline TensorSpec Spec(std::string name, Shape shape, Initializer init,
                       DType dtype = DType::kFloat32) {
  TensorSpec spec;
  spec.name = std::move(name);
  spec.shape = std::move(shape);
  spec.init = std::move(init);
  spec.dtype = dtype;
  return spec;
}

inline Rule RuleOf(std::string name_regex, std::optional<Initializer> init) {
  Rule rule;
  rule.name_regex = std::move(name_regex);
  rule.init = std::move(init);
  return rule;
}

// A tensor that rules must cover.
inline TensorSpec Bare(std::string name, Shape shape, std::string module = "") {
  TensorSpec spec;
  spec.name = std::move(name);
  spec.shape = std::move(shape);
  spec.module = std::move(module);
  return spec;
}

inline ModelPlan MustResolve(const Recipe& recipe) {
  auto plan = Resolve(recipe);
  EXPECT_THAT(plan, IsOk());
  return plan.ok() ? *std::move(plan) : ModelPlan{};
}

inline ModelPlan MustResolve(const TensorSpec& spec, std::uint64_t seed = 0) {
  auto plan = ResolveTensor(spec, seed);
  EXPECT_THAT(plan, IsOk());
  return plan.ok() ? *std::move(plan) : ModelPlan{};
}

// What is selected, drawn by this thread alone.
inline std::vector<std::byte> BytesOf(const Engine& engine, const ModelPlan& plan,
                                      const BoundSelection& selection) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(selection.num_bytes()));
  BytesSink sink(bytes, selection.dtype);
  EXPECT_THAT(engine.FillHere(plan, selection, sink), IsOk());
  return bytes;
}

template <typename T>
std::vector<T> ValuesOf(const std::vector<std::byte>& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace test
}  // namespace weightinit

#endif  // WEIGHTINIT_TESTS_UNIT_LIB_TESTING_H_
