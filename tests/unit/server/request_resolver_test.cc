#include "server/request_resolver.h"

#include <gtest/gtest.h>

#include <string>

#include "proto/convert.h"
#include "tests/unit/server/testing.h"
#include "weightinit/status.h"

namespace weightinit::server {
namespace {

std::string TextOf(const absl::Status& status) { return std::string(status.message()); }

v1::InitializeModelRequest ModelRequest(std::vector<TensorSpec> tensors) {
  Recipe recipe;
  recipe.tensors = std::move(tensors);
  v1::InitializeModelRequest request;
  *request.mutable_recipe() = proto::ToProto(recipe);
  return request;
}

TEST(RequestResolver, SelectsEverythingInRecipeOrder) {
  RequestResolver resolver{ServerOptions()};
  const auto resolved = resolver.Resolve(ModelRequest({Tensor("b", {2}), Tensor("a", {3})}));
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  ASSERT_EQ(resolved->selections.size(), 2u);
  EXPECT_EQ(resolved->selections[0].selection.count, 2);
}

TEST(RequestResolver, KnowsARecipeByItsFingerprint) {
  RequestResolver resolver{ServerOptions()};
  v1::InitializeModelRequest request = ModelRequest({Tensor("a", {3})});
  const auto first = resolver.Resolve(request);
  ASSERT_TRUE(first.ok());
  request.set_fingerprint(proto::FingerprintToBytes(first->selections[0].plan->fingerprint));
  const auto second = resolver.Resolve(request);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->selections[0].plan, first->selections[0].plan);

  RequestResolver other{ServerOptions()};
  EXPECT_EQ(proto::DetailsOf(other.Resolve(request).status()).reason, "RECIPE_UNKNOWN");
}

TEST(RequestResolver, TensorsOfTheirOwnTakeSeedAndDTypeFromTheRecipe) {
  RequestResolver resolver{ServerOptions()};
  v1::InitializeModelRequest request = ModelRequest({Tensor("a", {3})});
  request.mutable_recipe()->set_seed(5);
  request.mutable_recipe()->set_default_dtype(v1::FLOAT16);
  request.add_selections()->set_name("a");
  *request.add_selections()->mutable_tensor() = proto::ToProto(Tensor("own", {4}));
  const auto resolved = resolver.Resolve(request);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  const PlannedSelection& own = resolved->selections[1];
  EXPECT_EQ(own.plan->tensors[0].name, "own");
  EXPECT_EQ(own.plan->draws[0].seed, 5u);
  EXPECT_EQ(own.selection.dtype, DType::kFloat16);
}

TEST(RequestResolver, TwoNamesOfOneTensorAreRefusedBesideTensorsOfTheirOwnToo) {
  RequestResolver resolver{ServerOptions()};
  v1::InitializeModelRequest request = ModelRequest({Tensor("a", {3})});
  request.add_selections()->set_name("a");
  *request.add_selections()->mutable_tensor() = proto::ToProto(Tensor("a", {4}));
  EXPECT_TRUE(resolver.Resolve(request).ok()) << "a tensor of its own is another one";
  request.add_selections()->set_name("module.a");
  EXPECT_EQ(TextOf(resolver.Resolve(request).status()).find("selections[2].name: "), 0u)
      << resolver.Resolve(request).status();
}

TEST(RequestResolver, MatchingRulesCanBeCancelled) {
  RequestResolver resolver{ServerOptions()};
  Recipe recipe;
  recipe.tensors = {Tensor("a", {3})};
  recipe.tensors[0].init.reset();
  recipe.rules.emplace_back();
  recipe.rules[0].name_regex = "a";
  recipe.rules[0].init = Zeros();
  v1::InitializeModelRequest request;
  *request.mutable_recipe() = proto::ToProto(recipe);
  EXPECT_EQ(resolver.Resolve(request, [] { return true; }).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(RequestResolver, ErrorsOfTensorsOfTheirOwnHaveTheirPath) {
  RequestResolver resolver{ServerOptions()};
  v1::InitializeModelRequest request = ModelRequest({Tensor("a", {3})});
  request.add_selections()->set_name("a");
  *request.add_selections()->mutable_tensor() = proto::ToProto(Tensor("own", {-4}));
  const absl::Status status = resolver.Resolve(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TextOf(status).find("selections[1].tensor.shape"), 0u) << status;
}

TEST(RequestResolver, ErrorsHaveTheRequestsPaths) {
  RequestResolver resolver{ServerOptions()};
  v1::InitializeModelRequest request =
      ModelRequest({Tensor("a", {3, 3}, Sparse{.sparsity = 1.5, .std = 1})});
  EXPECT_EQ(TextOf(resolver.Resolve(request).status()).find("tensors[0].init.sparse.sparsity: "),
            0u)
      << resolver.Resolve(request).status();

  request = ModelRequest({Tensor("a", {3, 3})});
  request.add_selections()->set_name("a");
  v1::Box& box = *request.mutable_selections(0)->mutable_slice()->mutable_box();
  box.add_dims();
  box.add_dims()->set_start(-1);
  EXPECT_EQ(
      TextOf(resolver.Resolve(request).status()).find("selections[0].slice.box.dims[1].start: "),
      0u);

  request.mutable_selections(0)->set_name("nope");
  EXPECT_EQ(resolver.Resolve(request).status().code(), absl::StatusCode::kNotFound);

  v1::InitializeTensorRequest tensor;
  *tensor.mutable_tensor() = proto::ToProto(Tensor("", {8}));
  EXPECT_TRUE(resolver.Resolve(tensor).ok());
  tensor.set_first_byte(3);
  EXPECT_EQ(TextOf(resolver.Resolve(tensor).status()).find("first_byte: "), 0u);
}

TEST(RequestResolver, UnknownFieldsAreNeverAnswered) {
  RequestResolver resolver{ServerOptions()};
  v1::InitializeModelRequest request = ModelRequest({Tensor("a", {3})});
  v1::TensorSpec& tensor = *request.mutable_recipe()->mutable_tensors(0);
  tensor.GetReflection()->MutableUnknownFields(&tensor)->AddVarint(99, 1);
  EXPECT_EQ(TextOf(resolver.Resolve(request).status()), "tensors[0]: unknown field number 99");
}

TEST(RequestResolver, LimitsCountWhatIsAskedForAndNameTheirFlag) {
  ServerOptions options;
  options.limits.max_response_bytes = 4000;
  RequestResolver resolver{options};
  v1::InitializeModelRequest request = ModelRequest({Tensor("a", {1 << 20, 1 << 20})});
  v1::Selection& selection = *request.add_selections();
  selection.set_name("a");
  selection.mutable_slice()->mutable_flat()->set_size(1000);
  EXPECT_TRUE(resolver.Resolve(request).ok()) << resolver.Resolve(request).status();

  selection.mutable_slice()->mutable_flat()->set_size(1001);
  const absl::Status status = resolver.Resolve(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(TextOf(status).find("--max-response-bytes"), std::string::npos) << status;
  const proto::ErrorDetails details = proto::DetailsOf(status);
  EXPECT_EQ(details.reason, "LIMIT_EXCEEDED");
  EXPECT_EQ(details.metadata.at("limit"), "max_response_bytes");
  EXPECT_EQ(details.metadata.at("value"), "4000");
  EXPECT_EQ(details.metadata.at("flag"), "--max-response-bytes");
}

TEST(RequestResolver, LimitsHoldForTensorsOfTheirOwnTogether) {
  ServerOptions options;
  options.limits.max_response_bytes = 4000;
  RequestResolver resolver{options};
  v1::InitializeModelRequest request = ModelRequest({});
  for (const char* name : {"x", "y"}) {
    *request.add_selections()->mutable_tensor() = proto::ToProto(Tensor(name, {500}));
  }
  EXPECT_TRUE(resolver.Resolve(request).ok()) << resolver.Resolve(request).status();
  *request.add_selections()->mutable_tensor() = proto::ToProto(Tensor("z", {1}));
  EXPECT_EQ(proto::DetailsOf(resolver.Resolve(request).status()).metadata["flag"],
            "--max-response-bytes");
}

TEST(RequestResolver, MatricesAreLimitedWhateverTheSlice) {
  ServerOptions options;
  // A binary32 matrix, a binary64 copy and the panels that it is worked on with.
  options.limits.max_matrix_bytes = 200'000;
  RequestResolver resolver{options};
  EXPECT_TRUE(resolver.Resolve(ModelRequest({Tensor("q", {100, 100}, Orthogonal())})).ok());
  v1::InitializeModelRequest request = ModelRequest({Tensor("q", {120, 100}, Orthogonal())});
  v1::Selection& selection = *request.add_selections();
  selection.set_name("q");
  selection.mutable_slice()->mutable_flat()->set_size(1);
  const absl::Status status = resolver.Resolve(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(proto::DetailsOf(status).metadata["flag"], "--max-matrix-bytes");
}

TEST(RequestResolver, RequestsAreLimited) {
  ServerOptions options;
  options.max_request_bytes = 1000;
  const RequestResolver resolver{options};
  EXPECT_TRUE(resolver.CheckRequestBytes(1000).ok());
  const absl::Status status = resolver.CheckRequestBytes(1001);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(TextOf(status).find("--max-request-bytes"), std::string::npos);
  EXPECT_EQ(proto::DetailsOf(status).metadata.at("requested"), "1001");
}

TEST(RequestResolver, PlansShowGaps) {
  RequestResolver resolver{ServerOptions()};
  v1::PlanRequest request;
  EXPECT_EQ(TextOf(resolver.Plan(request).status()), "recipe: required");
  request.mutable_recipe()->add_tensors()->set_name("uncovered");
  const auto messages = resolver.Plan(request);
  ASSERT_TRUE(messages.ok()) << messages.status();
  EXPECT_FALSE((*messages)[0].report().drawable());
  EXPECT_EQ((*messages)[0].report().uncovered(0), "uncovered");
}

TEST(RequestResolver, HistogramsAreLimited) {
  RequestResolver resolver{ServerOptions()};
  v1::SummarizeRequest request;
  *request.mutable_recipe() = ModelRequest({Tensor("a", {3})}).recipe();
  request.set_histogram_bins(1024);
  EXPECT_TRUE(resolver.Resolve(request).ok());
  request.set_histogram_bins(1025);
  EXPECT_EQ(TextOf(resolver.Resolve(request).status()).find("histogram_bins: 1025"), 0u);
}

}  // namespace
}  // namespace weightinit::server
