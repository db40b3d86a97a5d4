// Takes a view apart: which draws a tensor is made of, and which of its boxes each of them fills.
#ifndef WEIGHTINIT_LIB_LAYOUT_VIEW_PARTS_H_
#define WEIGHTINIT_LIB_LAYOUT_VIEW_PARTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/fans.h"
#include "weightinit/initializer.h"
#include "weightinit/layout.h"
#include "weightinit/shape.h"
#include "weightinit/view.h"

namespace weightinit {

// Draws and tiles that the views of one model may have together: far more than any model's experts,
// and what a short recipe may ask of memory (200 bytes each).
inline constexpr std::int64_t kMaxViewTiles = std::int64_t{1} << 18;

// What the draws of one part, or of all parts of a stack, have in common. Pointers lead into the
// view. Null or none: the tensor's. Paths say who said it: "view.concat.parts[1]".
struct PartTemplate {
  Shape shape;
  const Initializer* init = nullptr;
  const FanGeometry* fan = nullptr;
  std::optional<double> scale;
  std::optional<std::uint64_t> seed;
  std::string path, init_path, fan_path, scale_path;
};

struct ViewParts {
  struct Draw {
    std::size_t of = 0;               // index into templates
    std::optional<std::string> name;  // none: the tensor's own draw name
    std::optional<std::uint64_t> subsequence;
  };
  std::vector<PartTemplate> templates;
  std::vector<Draw> draws;  // in the order of the parts
  std::vector<Tile> tiles;  // Tile::draw indexes draws; ascending by the starts
  std::string text;         // "stack(dim=0) of concat(dim=0, blocks=1)"

  // Instead of draws: the tensor whose elements these are, the shape that it must have, and which
  // of its dimensions each of this one's is.
  std::optional<std::string> tied_to;
  Shape tied_shape;
  std::vector<std::size_t> tied_axes;
  std::string tied_path;  // "tensors[3].view.tied_to"
};

// Whether its elements are another tensor's, transposed perhaps: no init, no draws of its own.
bool IsTied(const OptionalView& view);
// Whether its draws have the names of parts, instead of the tensor's.
bool HasParts(const View& view);

// The first part's init, if each part states its own, so that none is missing from outside; nullptr
// otherwise. It leads into the view.
const Initializer* InitOfEveryPart(const OptionalView& view);

// `shape` is a valid shape. `tiles_left` is what the model may still use of kMaxViewTiles. Errors:
// INVALID_ARGUMENT below `field`, which ends in "view".
absl::StatusOr<ViewParts> TakeApart(const View& view, const Shape& shape, const std::string& field,
                                    std::int64_t& tiles_left);

// Ascending by the starts, outermost dimension first: the order of a TiledLayout.
void SortTiles(std::vector<Tile>& tiles);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_LAYOUT_VIEW_PARTS_H_
