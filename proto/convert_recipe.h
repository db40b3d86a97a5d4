// Requests to library types and back.
//
// FromProto reads a message that stands at `field` of a request ("tensors[3]"; empty for the
// request itself) and names what it refuses by the full path: "tensors[3].init: …". Paths of a
// recipe begin at the recipe itself
// ("rules[2].init"), as those of the library and of a recipe's file do. It refuses only
// what has no counterpart in the library (an empty oneof that is required, an enum value or a
// number that the library's type cannot hold); ranges are the library's. It does not look for
// unknown fields: call RejectUnknown once on the whole request first.
//
// ToProto writes what FromProto reads back as an equal value: parameters with a default are left
// out where they have it.
//
// Thread-safety: everything here is a pure function. Errors: INVALID_ARGUMENT.
#ifndef WEIGHTINIT_PROTO_CONVERT_RECIPE_H_
#define WEIGHTINIT_PROTO_CONVERT_RECIPE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/dtype.h"
#include "weightinit/initializer.h"
#include "weightinit/plan.h"
#include "weightinit/recipe.h"
#include "weightinit/selection.h"
#include "weightinit/shape.h"
#include "weightinit/v1/fan.pb.h"
#include "weightinit/v1/generator.pb.h"
#include "weightinit/v1/initializer.pb.h"
#include "weightinit/v1/recipe.pb.h"
#include "weightinit/v1/selection.pb.h"
#include "weightinit/v1/service.pb.h"
#include "weightinit/v1/summary.pb.h"
#include "weightinit/v1/tensor.pb.h"
#include "weightinit/v1/view.pb.h"

namespace weightinit::proto {

// "tensors[3]" + "init" = "tensors[3].init"; an empty parent adds no dot.
std::string FieldPath(std::string_view parent, std::string_view field);
std::string FieldPath(std::string_view parent, std::string_view field, int index);

// Unspecified is nullopt.
absl::StatusOr<std::optional<DType>> FromProto(v1::DType dtype, std::string_view field);
v1::DType ToProto(DType dtype);

absl::StatusOr<Initializer> FromProto(const v1::Initializer& init, std::string_view field);
v1::Initializer ToProto(const Initializer& init);

absl::StatusOr<FanGeometry> FromProto(const v1::FanGeometry& fan, std::string_view field);
v1::FanGeometry ToProto(const FanGeometry& fan);

// Without a kind: philox_v1.
absl::StatusOr<Generator> FromProto(const v1::Generator& generator, std::string_view field);
v1::Generator ToProto(const Generator& generator);

// Without a kind: one draw.
absl::StatusOr<View> FromProto(const v1::View& view, std::string_view field);
v1::View ToProto(const View& view);

absl::StatusOr<TensorSpec> FromProto(const v1::TensorSpec& tensor, std::string_view field);
v1::TensorSpec ToProto(const TensorSpec& tensor);

absl::StatusOr<Rule> FromProto(const v1::Rule& rule, std::string_view field);
v1::Rule ToProto(const Rule& rule);

Rename FromProto(const v1::Rename& rename);
v1::Rename ToProto(const Rename& rename);

absl::StatusOr<Recipe> FromProto(const v1::Recipe& recipe, std::string_view field);
v1::Recipe ToProto(const Recipe& recipe);

Range FromProto(const v1::Range& range);
v1::Range ToProto(const Range& range);

// A message without a kind is refused; for an absent one do not call this: it is Slice{}, the whole
// tensor.
absl::StatusOr<Slice> FromProto(const v1::Slice& slice, std::string_view field);
// REQUIRES: slice is not the whole tensor (leave the field absent)
v1::Slice ToProto(const Slice& slice);

// A selection that brings a tensor of its own has an empty `selection.name`.
struct RequestedSelection {
  std::optional<TensorSpec> tensor;  // none: a tensor of the recipe, by selection.name
  Selection selection;
};
absl::StatusOr<RequestedSelection> FromProto(const v1::Selection& selection,
                                             std::string_view field);
v1::Selection ToProto(const Selection& selection);
v1::Selection ToProto(const RequestedSelection& selection);

// What to compute over the values on the way.
struct Check {
  bool digest = false, sha256 = false;
  friend bool operator==(const Check&, const Check&) = default;
};
Check FromProto(const v1::Check& check);
v1::Check ToProto(const Check& check);

struct TensorRequest {
  TensorSpec tensor;
  std::uint64_t seed = 0;
  Generator generator;
  Selection selection;  // of the one tensor; its name is the tensor's
  Check check;
};
absl::StatusOr<TensorRequest> FromProto(const v1::InitializeTensorRequest& request);
v1::InitializeTensorRequest ToProto(const TensorRequest& request);

// A recipe, or the fingerprint of one that the server has seen.
using RecipeSource = std::variant<Recipe, Fingerprint>;

struct ModelRequest {
  RecipeSource source;
  std::vector<RequestedSelection> selections;  // none: everything, in recipe order
  Check check;
};
absl::StatusOr<ModelRequest> FromProto(const v1::InitializeModelRequest& request);
v1::InitializeModelRequest ToProto(const ModelRequest& request);

struct SummaryRequest {
  RecipeSource source;
  std::vector<RequestedSelection> selections;  // none: everything, in recipe order
  int histogram_bins = 64;                     // 0: no histogram
};
absl::StatusOr<SummaryRequest> FromProto(const v1::SummarizeRequest& request);
v1::SummarizeRequest ToProto(const SummaryRequest& request);

}  // namespace weightinit::proto

#endif  // WEIGHTINIT_PROTO_CONVERT_RECIPE_H_
