#include "proto/convert_recipe.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "proto/convert_internal.h"
#include "proto/convert_plan.h"

namespace weightinit::proto {
namespace {

// Bytes are unsigned in the API and signed in the library, which holds no more than 2^63 of them.
std::int64_t BytesFrom(std::uint64_t bytes, std::string_view child, Reader& read) {
  if (bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    read.Fail(FieldError(read.Path(child), std::to_string(bytes) + " is not below 2^63"));
    return 0;
  }
  return static_cast<std::int64_t>(bytes);
}

// first_byte, byte_count and slice stand alike in a selection and in a request for one tensor.
template <typename Message>
void ReadPart(const Message& message, Selection& selection, Reader& read) {
  if (message.has_slice()) {
    selection.slice = read.Value(FromProto(message.slice(), read.Path("slice")));
  }
  selection.first_byte = BytesFrom(message.first_byte(), "first_byte", read);
  if (message.has_byte_count()) {
    selection.byte_count = BytesFrom(message.byte_count(), "byte_count", read);
  }
}

template <typename Message>
void WritePart(const Selection& selection, Message& message) {
  if (!std::holds_alternative<std::monostate>(selection.slice)) {
    *message.mutable_slice() = ToProto(selection.slice);
  }
  message.set_first_byte(static_cast<std::uint64_t>(selection.first_byte));
  if (selection.byte_count) {
    message.set_byte_count(static_cast<std::uint64_t>(*selection.byte_count));
  }
}

}  // namespace

std::string FieldPath(std::string_view parent, std::string_view field) {
  return Reader(parent).Path(field);
}

std::string FieldPath(std::string_view parent, std::string_view field, int index) {
  return FieldPath(parent, field) + "[" + std::to_string(index) + "]";
}

absl::StatusOr<std::optional<DType>> FromProto(v1::DType dtype, std::string_view field) {
  if (dtype == v1::DTYPE_UNSPECIFIED) return std::nullopt;
  if (!v1::DType_IsValid(dtype)) {
    return FieldError(field, "unknown value " + std::to_string(static_cast<int>(dtype)));
  }
  return static_cast<DType>(dtype);
}

v1::DType ToProto(DType dtype) { return static_cast<v1::DType>(static_cast<int>(dtype)); }

Range FromProto(const v1::Range& message) {
  Range range;
  range.start = message.start();
  if (message.has_size()) range.size = message.size();
  if (message.has_step()) range.step = message.step();
  return range;
}

v1::Range ToProto(const Range& range) {
  v1::Range message;
  message.set_start(range.start);
  if (range.size) message.set_size(*range.size);
  if (range.step) message.set_step(*range.step);
  return message;
}

absl::StatusOr<FanGeometry> FromProto(const v1::FanGeometry& message, std::string_view field) {
  Reader read(field);
  FanGeometry fan;
  fan.layout = read.OptionalEnum<FanLayout>(
      message.layout(), v1::FanGeometry::Layout_IsValid(message.layout()), "layout");
  fan.transposed = message.transposed();
  if (message.has_groups()) fan.groups = message.groups();
  fan.in_axes.assign(message.in_axes().begin(), message.in_axes().end());
  fan.out_axes.assign(message.out_axes().begin(), message.out_axes().end());
  fan.batch_axes.assign(message.batch_axes().begin(), message.batch_axes().end());
  if (message.has_fan_in()) fan.fan_in = message.fan_in();
  if (message.has_fan_out()) fan.fan_out = message.fan_out();
  fan.fans_of = message.fans_of();
  return read.Result(std::move(fan));
}

v1::FanGeometry ToProto(const FanGeometry& fan) {
  v1::FanGeometry message;
  if (fan.layout) {
    message.set_layout(static_cast<v1::FanGeometry::Layout>(static_cast<int>(*fan.layout)));
  }
  message.set_transposed(fan.transposed);
  if (fan.groups) message.set_groups(*fan.groups);
  message.mutable_in_axes()->Assign(fan.in_axes.begin(), fan.in_axes.end());
  message.mutable_out_axes()->Assign(fan.out_axes.begin(), fan.out_axes.end());
  message.mutable_batch_axes()->Assign(fan.batch_axes.begin(), fan.batch_axes.end());
  if (fan.fan_in) message.set_fan_in(*fan.fan_in);
  if (fan.fan_out) message.set_fan_out(*fan.fan_out);
  message.set_fans_of(fan.fans_of);
  return message;
}

namespace {

absl::StatusOr<TorchCpu> TorchCpuFrom(const v1::TorchCpu& message, std::string_view field) {
  Reader read(field);
  TorchCpu torch;
  torch.variant = read.Enum(message.variant(), v1::TorchCpu::Variant_IsValid(message.variant()),
                            "variant", torch.variant);
  torch.torch_version = message.torch_version();
  torch.start_state = message.start_state();
  return read.Result(std::move(torch));
}

absl::StatusOr<JaxThreefry> JaxThreefryFrom(const v1::JaxThreefry& message,
                                            std::string_view field) {
  Reader read(field);
  JaxThreefry jax;
  jax.layout = read.Enum(message.layout(), v1::JaxThreefry::Layout_IsValid(message.layout()),
                         "layout", jax.layout);
  jax.fold_in.assign(message.fold_in().begin(), message.fold_in().end());
  return read.Result(std::move(jax));
}

v1::JaxThreefry JaxThreefryTo(const JaxThreefry& jax) {
  v1::JaxThreefry message;
  if (jax.layout != JaxThreefry().layout)
    message.set_layout(static_cast<v1::JaxThreefry::Layout>(static_cast<int>(jax.layout)));
  for (const std::uint32_t data : jax.fold_in) message.add_fold_in(data);
  return message;
}

v1::TorchCpu TorchCpuTo(const TorchCpu& torch) {
  v1::TorchCpu message;
  if (torch.variant != TorchCpu().variant)
    message.set_variant(static_cast<v1::TorchCpu::Variant>(static_cast<int>(torch.variant)));
  message.set_torch_version(torch.torch_version);
  message.set_start_state(torch.start_state);
  return message;
}

absl::StatusOr<DrawStep> DrawStepFrom(const v1::Draw& message, std::string_view field) {
  Reader read(field);
  DrawStep step;
  step.name = message.name();
  if (message.has_init()) step.init = read.Value(FromProto(message.init(), read.Path("init")));
  step.construct = message.construct();
  return read.Result(std::move(step));
}

v1::Draw DrawStepTo(const DrawStep& step) {
  v1::Draw message;
  message.set_name(step.name);
  if (step.init) *message.mutable_init() = ToProto(*step.init);
  message.set_construct(step.construct);
  return message;
}

}  // namespace

absl::StatusOr<Generator> FromProto(const v1::Generator& generator, std::string_view field) {
  switch (generator.kind_case()) {
    case v1::Generator::kPhiloxV1:
    case v1::Generator::KIND_NOT_SET:
      break;
    case v1::Generator::kTorchCpu:
      return TorchCpuFrom(generator.torch_cpu(), FieldPath(field, "torch_cpu"));
    case v1::Generator::kJaxThreefry:
      return JaxThreefryFrom(generator.jax_threefry(), FieldPath(field, "jax_threefry"));
  }
  return PhiloxV1();
}

v1::Generator ToProto(const Generator& generator) {
  struct Writer {
    v1::Generator& out;
    void operator()(const PhiloxV1&) const { out.mutable_philox_v1(); }
    void operator()(const TorchCpu& torch) const { *out.mutable_torch_cpu() = TorchCpuTo(torch); }
    void operator()(const JaxThreefry& jax) const {
      *out.mutable_jax_threefry() = JaxThreefryTo(jax);
    }
  };
  v1::Generator message;
  std::visit(Writer{message}, generator);
  return message;
}

absl::StatusOr<TensorSpec> FromProto(const v1::TensorSpec& message, std::string_view field) {
  Reader read(field);
  TensorSpec tensor;
  tensor.name = message.name();
  tensor.shape.assign(message.shape().begin(), message.shape().end());
  tensor.dtype = read.Value(FromProto(message.dtype(), read.Path("dtype")));
  if (message.has_init()) tensor.init = read.Value(FromProto(message.init(), read.Path("init")));
  if (message.has_fan()) tensor.fan = read.Value(FromProto(message.fan(), read.Path("fan")));
  tensor.module = message.module();
  tensor.buffer = message.buffer();
  if (message.has_draw_name()) tensor.draw_name = message.draw_name();
  if (message.has_subsequence()) tensor.subsequence = message.subsequence();
  if (message.has_seed()) tensor.seed = message.seed();
  if (message.has_scale()) tensor.scale = message.scale();
  if (message.has_view()) {
    tensor.view = OptionalView(read.Value(FromProto(message.view(), read.Path("view"))));
  }
  return read.Result(std::move(tensor));
}

v1::TensorSpec ToProto(const TensorSpec& tensor) {
  v1::TensorSpec message;
  message.set_name(tensor.name);
  message.mutable_shape()->Assign(tensor.shape.begin(), tensor.shape.end());
  if (tensor.dtype) message.set_dtype(ToProto(*tensor.dtype));
  if (tensor.init) *message.mutable_init() = ToProto(*tensor.init);
  if (tensor.fan) *message.mutable_fan() = ToProto(*tensor.fan);
  message.set_module(tensor.module);
  message.set_buffer(tensor.buffer);
  if (tensor.draw_name) message.set_draw_name(*tensor.draw_name);
  if (tensor.subsequence) message.set_subsequence(*tensor.subsequence);
  if (tensor.seed) message.set_seed(*tensor.seed);
  if (tensor.scale) message.set_scale(*tensor.scale);
  if (tensor.view.has_value()) *message.mutable_view() = ToProto(*tensor.view);
  return message;
}

absl::StatusOr<Rule> FromProto(const v1::Rule& message, std::string_view field) {
  Reader read(field);
  Rule rule;
  // Empty matches anything in the API, absent does in the library.
  if (!message.name_regex().empty()) rule.name_regex = message.name_regex();
  if (!message.module().empty()) rule.module = message.module();
  if (message.has_init()) rule.init = read.Value(FromProto(message.init(), read.Path("init")));
  if (message.has_fan()) rule.fan = read.Value(FromProto(message.fan(), read.Path("fan")));
  rule.scale = message.scale();
  if (message.has_seed()) rule.seed = message.seed();
  rule.skip = message.skip();
  rule.may_be_idle = message.may_be_idle();
  if (message.has_view()) {
    rule.view = OptionalView(read.Value(FromProto(message.view(), read.Path("view"))));
  }
  return read.Result(std::move(rule));
}

v1::Rule ToProto(const Rule& rule) {
  v1::Rule message;
  if (rule.name_regex) message.set_name_regex(*rule.name_regex);
  if (rule.module) message.set_module(*rule.module);
  if (rule.init) *message.mutable_init() = ToProto(*rule.init);
  if (rule.fan) *message.mutable_fan() = ToProto(*rule.fan);
  message.set_scale(rule.scale);
  if (rule.seed) message.set_seed(*rule.seed);
  message.set_skip(rule.skip);
  message.set_may_be_idle(rule.may_be_idle);
  if (rule.view.has_value()) *message.mutable_view() = ToProto(*rule.view);
  return message;
}

Rename FromProto(const v1::Rename& message) { return {message.name_regex(), message.rewrite()}; }

v1::Rename ToProto(const Rename& rename) {
  v1::Rename message;
  message.set_name_regex(rename.name_regex);
  message.set_rewrite(rename.rewrite);
  return message;
}

absl::StatusOr<Recipe> FromProto(const v1::Recipe& message, std::string_view field) {
  Reader read(field);
  Recipe recipe;
  if (message.has_generator()) {
    recipe.generator = read.Value(FromProto(message.generator(), read.Path("generator")));
  }
  recipe.seed = message.seed();
  recipe.default_dtype = read.Value(FromProto(message.default_dtype(), read.Path("default_dtype")))
                             .value_or(recipe.default_dtype);
  recipe.constants.insert(message.constants().begin(), message.constants().end());
  recipe.tensors.reserve(static_cast<std::size_t>(message.tensors_size()));
  for (int i = 0; i < message.tensors_size(); ++i) {
    recipe.tensors.push_back(
        read.Value(FromProto(message.tensors(i), FieldPath(field, "tensors", i))));
  }
  for (int i = 0; i < message.rules_size(); ++i) {
    recipe.rules.push_back(read.Value(FromProto(message.rules(i), FieldPath(field, "rules", i))));
  }
  for (const v1::Rename& rename : message.renames()) recipe.renames.push_back(FromProto(rename));
  for (int i = 0; i < message.draws_size(); ++i) {
    recipe.draws.push_back(
        read.Value(DrawStepFrom(message.draws(i), FieldPath(field, "draws", i))));
  }
  recipe.allow_uncovered = message.allow_uncovered();
  recipe.allow_idle = message.allow_idle();
  return read.Result(std::move(recipe));
}

v1::Recipe ToProto(const Recipe& recipe) {
  v1::Recipe message;
  if (!std::holds_alternative<PhiloxV1>(recipe.generator)) {
    *message.mutable_generator() = ToProto(recipe.generator);
  }
  message.set_seed(recipe.seed);
  if (recipe.default_dtype != Recipe().default_dtype) {
    message.set_default_dtype(ToProto(recipe.default_dtype));
  }
  message.mutable_constants()->insert(recipe.constants.begin(), recipe.constants.end());
  for (const TensorSpec& tensor : recipe.tensors) *message.add_tensors() = ToProto(tensor);
  for (const Rule& rule : recipe.rules) *message.add_rules() = ToProto(rule);
  for (const Rename& rename : recipe.renames) *message.add_renames() = ToProto(rename);
  for (const DrawStep& step : recipe.draws) *message.add_draws() = DrawStepTo(step);
  message.set_allow_uncovered(recipe.allow_uncovered);
  message.set_allow_idle(recipe.allow_idle);
  return message;
}

absl::StatusOr<Slice> FromProto(const v1::Slice& message, std::string_view field) {
  switch (message.kind_case()) {
    case v1::Slice::kBox: {
      Box box;
      for (const v1::Range& range : message.box().dims()) box.dims.push_back(FromProto(range));
      return box;
    }
    case v1::Slice::kFlat:
      return FromProto(message.flat());
    case v1::Slice::KIND_NOT_SET:
      break;
  }
  return FieldError(field, "neither box nor flat is set; leave the slice out for the whole tensor");
}

v1::Slice ToProto(const Slice& slice) {
  v1::Slice message;
  if (const Box* box = std::get_if<Box>(&slice)) {
    message.mutable_box();
    for (const Range& range : box->dims) *message.mutable_box()->add_dims() = ToProto(range);
  } else if (const Range* flat = std::get_if<Range>(&slice)) {
    *message.mutable_flat() = ToProto(*flat);
  }
  return message;
}

absl::StatusOr<RequestedSelection> FromProto(const v1::Selection& message, std::string_view field) {
  Reader read(field);
  RequestedSelection requested;
  switch (message.what_case()) {
    case v1::Selection::kName:
      requested.selection.name = message.name();
      break;
    case v1::Selection::kTensor:
      requested.tensor = read.Value(FromProto(message.tensor(), read.Path("tensor")));
      break;
    case v1::Selection::WHAT_NOT_SET:
      return FieldError(field, "neither name nor tensor is set; one is required");
  }
  ReadPart(message, requested.selection, read);
  requested.selection.dtype = read.Value(FromProto(message.dtype(), read.Path("dtype")));
  return read.Result(std::move(requested));
}

v1::Selection ToProto(const RequestedSelection& requested) {
  v1::Selection message;
  if (requested.tensor) {
    *message.mutable_tensor() = ToProto(*requested.tensor);
  } else {
    message.set_name(requested.selection.name);
  }
  WritePart(requested.selection, message);
  if (requested.selection.dtype) message.set_dtype(ToProto(*requested.selection.dtype));
  return message;
}

v1::Selection ToProto(const Selection& selection) {
  return ToProto(RequestedSelection{.tensor = std::nullopt, .selection = selection});
}

Check FromProto(const v1::Check& check) {
  return {.digest = check.digest(), .sha256 = check.sha256()};
}

v1::Check ToProto(const Check& check) {
  v1::Check message;
  message.set_digest(check.digest);
  message.set_sha256(check.sha256);
  return message;
}

absl::StatusOr<TensorRequest> FromProto(const v1::InitializeTensorRequest& message) {
  if (!message.has_tensor()) return FieldError("tensor", "required");
  Reader read("");
  TensorRequest request;
  request.tensor = read.Value(FromProto(message.tensor(), "tensor"));
  request.seed = message.seed();
  if (message.has_generator()) {
    request.generator = read.Value(FromProto(message.generator(), "generator"));
  }
  request.selection.name = request.tensor.name;
  ReadPart(message, request.selection, read);
  request.check = FromProto(message.check());
  return read.Result(std::move(request));
}

v1::InitializeTensorRequest ToProto(const TensorRequest& request) {
  v1::InitializeTensorRequest message;
  *message.mutable_tensor() = ToProto(request.tensor);
  message.set_seed(request.seed);
  if (!std::holds_alternative<PhiloxV1>(request.generator)) {
    *message.mutable_generator() = ToProto(request.generator);
  }
  WritePart(request.selection, message);
  if (request.check != Check()) *message.mutable_check() = ToProto(request.check);
  return message;
}

namespace {

// Recipe or fingerprint, which InitializeModel and Summarize ask for alike.
template <typename Message>
RecipeSource SourceFrom(const Message& message, Reader& read) {
  switch (message.source_case()) {
    case Message::kRecipe:
      return read.Value(FromProto(message.recipe(), ""));  // paths begin at the recipe
    case Message::kFingerprint:
      return read.Value(FingerprintFromBytes(message.fingerprint(), "fingerprint"));
    case Message::SOURCE_NOT_SET:
      break;
  }
  read.Fail(FieldError("source", "neither recipe nor fingerprint is set; one is required"));
  return Recipe();
}

template <typename Message>
void WriteSource(const RecipeSource& source, Message& message) {
  if (const Recipe* recipe = std::get_if<Recipe>(&source)) {
    *message.mutable_recipe() = ToProto(*recipe);
  } else {
    message.set_fingerprint(FingerprintToBytes(std::get<Fingerprint>(source)));
  }
}

template <typename Message>
std::vector<RequestedSelection> SelectionsFrom(const Message& message, Reader& read) {
  std::vector<RequestedSelection> selections;
  selections.reserve(static_cast<std::size_t>(message.selections_size()));
  for (int i = 0; i < message.selections_size(); ++i) {
    selections.push_back(
        read.Value(FromProto(message.selections(i), FieldPath("", "selections", i))));
  }
  return selections;
}

}  // namespace

absl::StatusOr<ModelRequest> FromProto(const v1::InitializeModelRequest& message) {
  Reader read("");
  ModelRequest request;
  request.source = SourceFrom(message, read);
  request.selections = SelectionsFrom(message, read);
  request.check = FromProto(message.check());
  return read.Result(std::move(request));
}

v1::InitializeModelRequest ToProto(const ModelRequest& request) {
  v1::InitializeModelRequest message;
  WriteSource(request.source, message);
  for (const RequestedSelection& selection : request.selections) {
    *message.add_selections() = ToProto(selection);
  }
  if (request.check != Check()) *message.mutable_check() = ToProto(request.check);
  return message;
}

absl::StatusOr<SummaryRequest> FromProto(const v1::SummarizeRequest& message) {
  Reader read("");
  SummaryRequest request;
  request.source = SourceFrom(message, read);
  request.selections = SelectionsFrom(message, read);
  if (message.has_histogram_bins()) {
    // Too many bins for the library's type are too many for its limit as well.
    constexpr std::uint32_t kMax = std::numeric_limits<std::int32_t>::max();
    request.histogram_bins = static_cast<int>(std::min(message.histogram_bins(), kMax));
  }
  return read.Result(std::move(request));
}

v1::SummarizeRequest ToProto(const SummaryRequest& request) {
  v1::SummarizeRequest message;
  WriteSource(request.source, message);
  for (const RequestedSelection& selection : request.selections) {
    *message.add_selections() = ToProto(selection);
  }
  message.set_histogram_bins(static_cast<std::uint32_t>(request.histogram_bins));
  return message;
}

}  // namespace weightinit::proto
