#include "proto/reject_unknown.h"

#include <gtest/gtest.h>

#include <string>

#include "weightinit/status.h"
#include "weightinit/v1/service.pb.h"

namespace weightinit::proto {
namespace {

constexpr int kUnknownNumber = 99;

void AddUnknown(google::protobuf::Message& message, int number = kUnknownNumber) {
  message.GetReflection()->MutableUnknownFields(&message)->AddVarint(number, 1);
}

std::string TextOf(const absl::Status& status) { return std::string(status.message()); }

v1::InitializeModelRequest Request() {
  v1::InitializeModelRequest request;
  v1::TensorSpec& tensor = *request.mutable_recipe()->add_tensors();
  tensor.set_name("a");
  tensor.mutable_init()->mutable_normal()->set_std(1);
  request.mutable_recipe()->add_rules()->mutable_init()->mutable_zeros();
  request.add_selections()->mutable_slice()->mutable_box()->add_dims();
  return request;
}

TEST(RejectUnknown, AcceptsWhatIsKnown) {
  EXPECT_TRUE(RejectUnknown(Request()).ok());
  EXPECT_TRUE(RejectUnknown(v1::InitializeModelRequest()).ok());
}

TEST(RejectUnknown, NamesTheFieldAtEveryDepth) {
  struct Case {
    google::protobuf::Message* (*where)(v1::InitializeModelRequest&);
    const char* text;
  };
  using M = google::protobuf::Message;
  const Case cases[] = {
      {[](v1::InitializeModelRequest& r) -> M* { return &r; }, "request: unknown field number 99"},
      {[](v1::InitializeModelRequest& r) -> M* {
         return r.mutable_recipe()->mutable_tensors(0)->mutable_init();
       },
       "tensors[0].init: unknown field number 99"},
      {[](v1::InitializeModelRequest& r) -> M* {
         return r.mutable_recipe()->mutable_tensors(0)->mutable_init()->mutable_normal();
       },
       "tensors[0].init.normal: unknown field number 99"},
      {[](v1::InitializeModelRequest& r) -> M* {
         return r.mutable_recipe()->mutable_rules(0)->mutable_init();
       },
       "rules[0].init: unknown field number 99"},
      {[](v1::InitializeModelRequest& r) -> M* {
         return r.mutable_selections(0)->mutable_slice()->mutable_box()->mutable_dims(0);
       },
       "selections[0].slice.box.dims[0]: unknown field number 99"},
  };
  for (const Case& c : cases) {
    v1::InitializeModelRequest request = Request();
    AddUnknown(*c.where(request));
    // As it would come from a newer client.
    v1::InitializeModelRequest received;
    ASSERT_TRUE(received.ParseFromString(request.SerializeAsString()));
    const absl::Status status = RejectUnknown(received);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(TextOf(status), c.text);
  }
}

TEST(RejectUnknown, RefusesUnknownEnumValues) {
  v1::InitializeModelRequest request = Request();
  request.mutable_recipe()->mutable_tensors(0)->set_dtype(static_cast<v1::DType>(77));
  EXPECT_EQ(TextOf(RejectUnknown(request)), "tensors[0].dtype: unknown value 77");
}

TEST(RejectUnknown, PutsPathsBelowTheGivenOne) {
  v1::TensorSpec tensor;
  AddUnknown(tensor);
  EXPECT_EQ(TextOf(RejectUnknown(tensor, "tensor")), "tensor: unknown field number 99");
}

TEST(RejectUnknown, CountsManyOffendersAndShowsTheFirst) {
  v1::InitializeModelRequest request = Request();
  for (int i = 0; i < 50; ++i) AddUnknown(*request.mutable_recipe()->add_tensors());
  const absl::Status status = RejectUnknown(request);
  EXPECT_EQ(FieldViolations(status).size(), 20u);
  EXPECT_NE(TextOf(status).find("and 30 more"), std::string::npos) << status;
}

TEST(RejectUnknown, StaysSmallWhateverComes) {
  v1::InitializeModelRequest request;
  for (int i = 0; i < 200'000; ++i) AddUnknown(request, 100 + i % 1000);
  const absl::Status status = RejectUnknown(request);
  EXPECT_FALSE(status.ok());
  EXPECT_LT(status.message().size(), 4096u);
}

}  // namespace
}  // namespace weightinit::proto
