// Views: how a tensor is made of draws, as the user wrote it.
//
// Pure index arithmetic: an element of a part has the same bits as in a tensor that is that part
// alone, so a packed qkv, a stack of experts or a transposed copy holds exactly what the separate
// tensors would. Resolve checks a view and turns it into the tiles of a Layout (plan.h).
//
// In a Rule, names of parts and `tied_to` are rewrites: \1 to \9 stand for the groups of the rule's
// name_regex, \0 for the whole name.
//
// Thread-safety: everything here is a value.
#ifndef WEIGHTINIT_VIEW_H_
#define WEIGHTINIT_VIEW_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "weightinit/fans.h"
#include "weightinit/initializer.h"
#include "weightinit/shape.h"

namespace weightinit {

struct View;

// A view, or none (one draw in row-major order): by value, since views nest. Copies share what
// never changes.
class OptionalView {
 public:
  OptionalView() = default;
  OptionalView(View view);  // NOLINT(google-explicit-constructor): as std::optional
  bool has_value() const { return view_ != nullptr; }
  // REQUIRES: has_value()
  const View& operator*() const { return *view_; }
  const View* operator->() const { return view_.get(); }
  friend bool operator==(const OptionalView& a, const OptionalView& b);

 private:
  std::shared_ptr<const View> view_;
};

// A part of a concat, or the template of a stack's parts. What it does not say is the enclosing
// part's, then the tensor's. Fans are computed from the part's own shape.
struct ViewPart {
  // Draw name: what the part would be called as a tensor of its own. One "{}" for each stack that
  // it stands in stands for the number of that stack's part, outermost first.
  std::string name;
  std::int64_t size = 0;  // of a concat's part: extent along dim; 0 for all parts: equally large
  std::optional<Initializer> init;
  std::optional<FanGeometry> fan;
  std::optional<double> scale;  // finite, ≥ 0
  std::optional<std::uint64_t> seed;
  std::optional<std::uint64_t> subsequence;  // of a concat's part outside stacks; instead of name
  OptionalView view;
  friend bool operator==(const ViewPart&, const ViewPart&) = default;
};

// Parts side by side along a dimension. With `blocks` b, each part is cut into b equal blocks, and
// all first blocks come before all second ones: q1 q2 k1 v1 | q3 q4 k2 v2.
struct Concat {
  std::vector<ViewPart> parts;         // at least one
  std::int64_t dim = 0;                // negative counts from the end
  std::optional<std::int64_t> blocks;  // ≥ 1; default 1
  friend bool operator==(const Concat&, const Concat&) = default;
};

// Equal parts along a dimension of their own: experts (E, …), or layers under a scan (L, …).
struct Stack {
  ViewPart part;
  std::int64_t count = 0;  // the tensor's extent in `dim`; 0: that extent
  std::int64_t dim = 0;    // negative counts from the end
  std::int64_t first = 0;  // number of the first part, ≥ 0
  friend bool operator==(const Stack&, const Stack&) = default;
};

// A draw with its dimensions in another order: dimension d of the tensor is dimension dims[d] of
// the draw, as in numpy.transpose.
struct Transpose {
  std::vector<std::int64_t> dims;  // a permutation; empty: the last two are swapped
  OptionalView view;               // of the tensor before transposing
  friend bool operator==(const Transpose&, const Transpose&) = default;
};

// The elements of another tensor of the same shape and dtype, which is not tied itself. Stands on a
// tensor itself, or below transposes alone.
struct TiedTo {
  std::string name;  // canonical
  friend bool operator==(const TiedTo&, const TiedTo&) = default;
};

struct View {
  std::variant<std::monostate, Concat, Stack, Transpose, TiedTo> kind;  // monostate: one draw
  // Indices of dimension 0 whose elements are +0 whatever the draw says. Required with monostate.
  std::vector<Range> zero_rows;
  friend bool operator==(const View&, const View&) = default;
};

// Views may nest this deep.
inline constexpr int kMaxViewDepth = 4;

inline OptionalView::OptionalView(View view)
    : view_(std::make_shared<const View>(std::move(view))) {}
inline bool operator==(const OptionalView& a, const OptionalView& b) {
  return a.view_ == b.view_ || (a.has_value() && b.has_value() && *a == *b);
}

}  // namespace weightinit

#endif  // WEIGHTINIT_VIEW_H_
