#include "lib/recipe/view_names.h"

#include <utility>

namespace weightinit {
namespace {

// Rewrites in place: a copy of a view is small, and its inner views are replaced by copies of their
// own. The depth bounds the recursion: what is deeper is refused elsewhere, as it stands.
class Rewriter {
 public:
  explicit Rewriter(const NameRewrite& rewrite) : rewrite_(rewrite) {}

  void Rewrite(View& view, const std::string& field, int depth) {
    if (depth > kMaxViewDepth) return;
    if (auto* concat = std::get_if<Concat>(&view.kind)) {
      for (std::size_t p = 0; p < concat->parts.size(); ++p) {
        Rewrite(concat->parts[p], field + ".concat.parts[" + std::to_string(p) + "]", depth);
      }
    } else if (auto* stack = std::get_if<Stack>(&view.kind)) {
      Rewrite(stack->part, field + ".stack.part", depth);
    } else if (auto* transpose = std::get_if<Transpose>(&view.kind)) {
      Rewrite(transpose->view, field + ".transpose.view", depth);
    } else if (auto* tied = std::get_if<TiedTo>(&view.kind)) {
      Rewrite(tied->name, field + ".tied_to");
    }
  }

  const absl::Status& status() const { return status_; }

 private:
  void Rewrite(ViewPart& part, const std::string& field, int depth) {
    Rewrite(part.name, field + ".name");
    Rewrite(part.view, field + ".view", depth);
  }
  void Rewrite(OptionalView& inner, const std::string& field, int depth) {
    if (!inner.has_value()) return;
    View copy = *inner;
    Rewrite(copy, field, depth + 1);
    inner = OptionalView(std::move(copy));
  }
  void Rewrite(std::string& name, const std::string& field) {
    if (!status_.ok()) return;
    auto rewritten = rewrite_(name, field);
    if (rewritten.ok()) {
      name = *std::move(rewritten);
    } else {
      status_ = rewritten.status();
    }
  }

  const NameRewrite& rewrite_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<View> WithNames(const View& view, const std::string& field,
                               const NameRewrite& rewrite) {
  View copy = view;
  Rewriter rewriter(rewrite);
  rewriter.Rewrite(copy, field, 1);
  if (!rewriter.status().ok()) return rewriter.status();
  return copy;
}

absl::Status ForEachName(const View& view, const std::string& field, const NameVisitor& visit) {
  const NameRewrite keep = [&](const std::string& name,
                               const std::string& at) -> absl::StatusOr<std::string> {
    const absl::Status status = visit(name, at);
    if (!status.ok()) return status;
    return name;
  };
  return WithNames(view, field, keep).status();
}

}  // namespace weightinit
