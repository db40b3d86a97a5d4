// Every case of tests/refusals.json, asked of the library.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/recipe_json.h"
#include "weightinit/plan.h"
#include "weightinit/selection.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

using nlohmann::json;

// One case, shown by its name.
struct Case {
  json data;
  friend void PrintTo(const Case& c, std::ostream* out) {
    *out << c.data.at("name").get<std::string>();
  }
};

std::vector<Case> Cases() {
  std::ifstream file(WEIGHTINIT_SOURCE_DIR "/tests/refusals.json");
  const json table = json::parse(file);
  std::vector<Case> cases;
  for (const json& data : table.at("cases")) cases.push_back({data});
  return cases;
}

// What a request does before it draws anything.
absl::Status Ask(const json& c) {
  const bool single = c.contains("tensor");
  auto plan = single ? ResolveTensor(test::TensorSpecFromJson(c.at("tensor")), 0)
                     : Resolve(test::RecipeFromJson(c.at("recipe")));
  if (!plan.ok()) return plan.status();
  std::vector<BoundSelection> bound;
  if (single) {
    Selection selection;
    selection.name = plan->tensors[0].name;
    if (c.contains("slice")) selection.slice = test::SliceFromJson(c.at("slice"));
    selection.first_byte = c.value("first_byte", std::int64_t{0});
    if (c.contains("byte_count")) selection.byte_count = c.at("byte_count").get<std::int64_t>();
    auto one = Bind(*plan, selection, "");
    if (!one.ok()) return one.status();
    bound.push_back(*one);
  } else {
    std::vector<Selection> selections;
    if (c.contains("selections")) {
      for (const json& selection : c.at("selections"))
        selections.push_back(test::SelectionFromJson(selection));
    }
    auto all = BindAll(*plan, selections);
    if (!all.ok()) return all.status();
    bound = *std::move(all);
  }
  Limits limits;
  if (c.contains("limits")) {
    limits.max_response_bytes = c["limits"].value("max_response_bytes", limits.max_response_bytes);
    limits.max_matrix_bytes = c["limits"].value("max_matrix_bytes", limits.max_matrix_bytes);
  }
  return CheckLimits(*plan, bound, limits);
}

class RefusalTest : public ::testing::TestWithParam<Case> {};

TEST_P(RefusalTest, HasItsCodeFieldAndReason) {
  const json& c = GetParam().data;
  const absl::Status status = Ask(c);
  EXPECT_EQ(absl::StatusCodeToString(status.code()), c.at("code").get<std::string>()) << status;
  const std::vector<FieldViolation> violations = FieldViolations(status);
  ASSERT_EQ(violations.size(), 1u) << status;
  EXPECT_EQ(violations[0].field, c.at("field").get<std::string>()) << status;
  EXPECT_THAT(violations[0].description, ::testing::HasSubstr(c.at("message").get<std::string>()));
  EXPECT_EQ(status.message(), violations[0].field + ": " + violations[0].description);
  EXPECT_LT(status.message().size(), 1024u) << "more never reaches a client";
}

INSTANTIATE_TEST_SUITE_P(Table, RefusalTest, ::testing::ValuesIn(Cases()),
                         [](const ::testing::TestParamInfo<Case>& test) {
                           return test.param.data.at("name").get<std::string>();
                         });

}  // namespace
}  // namespace weightinit
