#include <utility>

#include "proto/convert_internal.h"
#include "proto/convert_recipe.h"

namespace weightinit::proto {
namespace {

// What parts of a concat and of a stack have in common.
template <typename Message>
ViewPart PartFrom(const Message& message, Reader& read) {
  ViewPart part;
  part.name = message.name();
  if (message.has_init()) part.init = read.Value(FromProto(message.init(), read.Path("init")));
  if (message.has_fan()) part.fan = read.Value(FromProto(message.fan(), read.Path("fan")));
  if (message.has_scale()) part.scale = message.scale();
  if (message.has_seed()) part.seed = message.seed();
  if (message.has_view()) {
    part.view = OptionalView(read.Value(FromProto(message.view(), read.Path("view"))));
  }
  return part;
}

template <typename Message>
void WritePart(const ViewPart& part, Message& message) {
  message.set_name(part.name);
  if (part.init) *message.mutable_init() = ToProto(*part.init);
  if (part.fan) *message.mutable_fan() = ToProto(*part.fan);
  if (part.scale) message.set_scale(*part.scale);
  if (part.seed) message.set_seed(*part.seed);
  if (part.view.has_value()) *message.mutable_view() = ToProto(*part.view);
}

Concat ConcatFrom(const v1::Concat& message, std::string_view field, Reader& read) {
  Concat concat;
  for (int p = 0; p < message.parts_size(); ++p) {
    Reader read_part(FieldPath(field, "parts", p));
    ViewPart part = PartFrom(message.parts(p), read_part);
    part.size = message.parts(p).size();
    if (message.parts(p).has_subsequence()) part.subsequence = message.parts(p).subsequence();
    concat.parts.push_back(read.Value(read_part.Result(std::move(part))));
  }
  concat.dim = message.dim();
  if (message.has_blocks()) concat.blocks = message.blocks();
  return concat;
}

Stack StackFrom(const v1::Stack& message, std::string_view field, Reader& read) {
  Stack stack;
  Reader read_part(FieldPath(field, "part"));
  stack.part = PartFrom(message.part(), read_part);
  stack.part = read.Value(read_part.Result(std::move(stack.part)));
  stack.count = message.count();
  stack.dim = message.dim();
  stack.first = message.first();
  return stack;
}

Transpose TransposeFrom(const v1::Transpose& message, std::string_view field, Reader& read) {
  Transpose transpose;
  transpose.dims.assign(message.dims().begin(), message.dims().end());
  if (message.has_view()) {
    transpose.view = OptionalView(read.Value(FromProto(message.view(), FieldPath(field, "view"))));
  }
  return transpose;
}

struct Writer {
  v1::View& out;

  void operator()(const std::monostate&) const {}
  void operator()(const Concat& concat) const {
    v1::Concat& message = *out.mutable_concat();
    for (const ViewPart& part : concat.parts) {
      v1::Concat::Part& to = *message.add_parts();
      WritePart(part, to);
      to.set_size(part.size);
      if (part.subsequence) to.set_subsequence(*part.subsequence);
    }
    message.set_dim(concat.dim);
    if (concat.blocks) message.set_blocks(*concat.blocks);
  }
  void operator()(const Stack& stack) const {
    v1::Stack& message = *out.mutable_stack();
    WritePart(stack.part, *message.mutable_part());
    message.set_count(stack.count);
    message.set_dim(stack.dim);
    message.set_first(stack.first);
  }
  void operator()(const Transpose& transpose) const {
    v1::Transpose& message = *out.mutable_transpose();
    message.mutable_dims()->Assign(transpose.dims.begin(), transpose.dims.end());
    if (transpose.view.has_value()) *message.mutable_view() = ToProto(*transpose.view);
  }
  void operator()(const TiedTo& tied) const { out.set_tied_to(tied.name); }
};

}  // namespace

absl::StatusOr<View> FromProto(const v1::View& message, std::string_view field) {
  Reader read(field);
  View view;
  switch (message.kind_case()) {
    case v1::View::kConcat:
      view.kind = ConcatFrom(message.concat(), read.Path("concat"), read);
      break;
    case v1::View::kStack:
      view.kind = StackFrom(message.stack(), read.Path("stack"), read);
      break;
    case v1::View::kTranspose:
      view.kind = TransposeFrom(message.transpose(), read.Path("transpose"), read);
      break;
    case v1::View::kTiedTo:
      view.kind = TiedTo{message.tied_to()};
      break;
    case v1::View::KIND_NOT_SET:  // the library wants zero_rows then
      break;
  }
  for (const v1::Range& range : message.zero_rows()) view.zero_rows.push_back(FromProto(range));
  return read.Result(std::move(view));
}

v1::View ToProto(const View& view) {
  v1::View message;
  std::visit(Writer{message}, view.kind);
  for (const Range& range : view.zero_rows) *message.add_zero_rows() = ToProto(range);
  return message;
}

}  // namespace weightinit::proto
