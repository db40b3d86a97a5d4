#include "lib/layout/view_parts.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/text.h"
#include "lib/layout/range.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

// What an enclosing part passes on to what it is made of.
struct Said {
  const Initializer* init = nullptr;
  const FanGeometry* fan = nullptr;
  std::optional<double> scale;
  std::optional<std::uint64_t> seed, subsequence;
  std::optional<std::string> name;
  std::string init_path, fan_path, scale_path;
};

// Where in a view the walk is.
struct Place {
  std::string path;   // of what is being taken apart
  std::string owner;  // of the part or tensor that it is
  int depth = 0;      // views around it
  int stacks = 0;     // stacks around it
  bool in_part = false;
};

Said Combine(const Said& outer, const ViewPart& part, const std::string& path) {
  Said said = outer;
  if (part.init.has_value()) {
    said.init = &*part.init;
    said.init_path = path;
  }
  if (part.fan.has_value()) {
    said.fan = &*part.fan;
    said.fan_path = path;
  }
  if (part.scale.has_value()) {
    said.scale = part.scale;
    said.scale_path = path;
  }
  if (part.seed.has_value()) said.seed = part.seed;
  said.subsequence = part.subsequence;
  said.name = part.name;
  return said;
}

// Where "{}" stands last, which is the innermost stack's; npos: nowhere.
constexpr std::string_view kNumber = "{}";
std::string WithNumber(std::string name, std::int64_t number) {
  const std::size_t at = name.rfind(kNumber);
  if (at != std::string::npos) name.replace(at, kNumber.size(), std::to_string(number));
  return name;
}
int CountNumbers(std::string_view name) {
  int count = 0;
  for (std::size_t at = name.find(kNumber); at != std::string_view::npos;
       at = name.find(kNumber, at + kNumber.size()))
    ++count;
  return count;
}

struct Interval {
  std::int64_t begin, end;
};

class TakerApart {
 public:
  explicit TakerApart(std::int64_t& tiles_left) : tiles_left_(tiles_left) {}

  absl::StatusOr<ViewParts> OfView(const View& view, const Shape& shape, const Said& said,
                                   const Place& place);

 private:
  absl::StatusOr<ViewParts> OfOneDraw(const Shape& shape, const Said& said, const Place& place);
  absl::StatusOr<ViewParts> OfPart(const ViewPart& part, const Shape& shape, const Said& said,
                                   const Place& place);
  absl::StatusOr<ViewParts> Of(const std::monostate&, const View& view, const Shape& shape,
                               const Said& said, const Place& place);
  absl::StatusOr<ViewParts> Of(const Concat& concat, const View& view, const Shape& shape,
                               const Said& said, const Place& place);
  absl::StatusOr<ViewParts> Of(const Stack& stack, const View& view, const Shape& shape,
                               const Said& said, const Place& place);
  absl::StatusOr<ViewParts> Of(const Transpose& transpose, const View& view, const Shape& shape,
                               const Said& said, const Place& place);
  absl::StatusOr<ViewParts> Of(const TiedTo& tied, const View& view, const Shape& shape,
                               const Said& said, const Place& place);
  absl::StatusOr<std::vector<std::int64_t>> SizesOf(const Concat& concat, std::int64_t extent,
                                                    const std::string& path) const;
  absl::Status ZeroRows(const View& view, const Shape& shape, const Place& place, ViewParts& parts);
  absl::Status Spend(std::int64_t tiles, const std::string& path);

  std::int64_t& tiles_left_;
};

absl::Status TakerApart::Spend(std::int64_t tiles, const std::string& path) {
  if (tiles > tiles_left_) {
    return FieldError(path, "the views of this model have more than " +
                                std::to_string(kMaxViewTiles) + " pieces; allowed: fewer");
  }
  tiles_left_ -= tiles;
  return absl::OkStatus();
}

// An axis of `rank`, from the front; errors at `field`.
absl::StatusOr<std::size_t> BindAxis(std::int64_t axis, std::size_t rank, const Shape& shape,
                                     const std::string& field) {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  const std::int64_t bound = axis < 0 ? axis + signed_rank : axis;
  if (bound >= 0 && bound < signed_rank) return static_cast<std::size_t>(bound);
  return FieldError(field, std::to_string(axis) + " is no dimension of " + ToString(shape) +
                               (rank == 0 ? "; allowed: a tensor with dimensions"
                                          : "; allowed: −" + std::to_string(rank) + " to " +
                                                std::to_string(rank - 1)));
}

absl::StatusOr<ViewParts> TakerApart::OfOneDraw(const Shape& shape, const Said& said,
                                                const Place& place) {
  if (said.name.has_value()) {
    const std::string field = place.owner + ".name";
    if (!IsValidUtf8(*said.name))
      return FieldError(field, Quote(*said.name) + " is not valid UTF-8");
    if (said.name->empty()) return FieldError(field, "missing; allowed: the part's draw name");
    if (CountNumbers(*said.name) != place.stacks) {
      return FieldError(field,
                        Quote(*said.name) + " has " + std::to_string(CountNumbers(*said.name)) +
                            " {} for the numbers of " + std::to_string(place.stacks) +
                            (place.stacks == 1 ? " stack" : " stacks") + "; allowed: one for each");
    }
  }
  if (const auto status = Spend(1, place.path); !status.ok()) return status;
  ViewParts parts;
  parts.templates.push_back({shape, said.init, said.fan, said.scale, said.seed, place.owner,
                             said.init_path, said.fan_path, said.scale_path});
  parts.draws.push_back({0, said.name, said.subsequence});
  Tile tile;
  tile.draw = 0;
  tile.dims.resize(shape.size());
  std::int64_t stride = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    tile.dims[d] = {0, shape[d], stride};
    // Only a shape without elements could overflow, and it has no tile.
    if (__builtin_mul_overflow(stride, shape[d], &stride)) stride = 0;
  }
  parts.tiles.push_back(std::move(tile));
  return parts;
}

absl::StatusOr<ViewParts> TakerApart::OfPart(const ViewPart& part, const Shape& shape,
                                             const Said& said, const Place& place) {
  const Said combined = Combine(said, part, place.path);
  if (!part.view.has_value()) return OfOneDraw(shape, combined, place);
  Place inner = place;
  ++inner.depth;
  return OfView(*part.view, shape, combined, inner);
}

absl::StatusOr<ViewParts> TakerApart::OfView(const View& view, const Shape& shape, const Said& said,
                                             const Place& place) {
  const std::string field = place.path + ".view";
  if (place.depth >= kMaxViewDepth) {
    return FieldError(field, "views nest more than " + std::to_string(kMaxViewDepth) +
                                 " deep; allowed: at most that");
  }
  auto parts =
      std::visit([&](const auto& kind) { return Of(kind, view, shape, said, place); }, view.kind);
  if (!parts.ok()) return parts.status();
  if (view.zero_rows.empty()) return parts;
  if (parts->tied_to.has_value()) {
    return FieldError(field + ".zero_rows",
                      "given together with tied_to; allowed: those of the other tensor");
  }
  if (const auto status = ZeroRows(view, shape, place, *parts); !status.ok()) return status;
  return parts;
}

absl::StatusOr<ViewParts> TakerApart::Of(const std::monostate&, const View& view,
                                         const Shape& shape, const Said& said, const Place& place) {
  if (view.zero_rows.empty()) {
    return FieldError(place.path + ".view",
                      "says nothing; allowed: concat, stack, transpose, tied_to or zero_rows");
  }
  return OfOneDraw(shape, said, place);
}

absl::StatusOr<std::vector<std::int64_t>> TakerApart::SizesOf(const Concat& concat,
                                                              std::int64_t extent,
                                                              const std::string& path) const {
  const std::int64_t blocks = concat.blocks.value_or(1);
  const auto count = static_cast<std::int64_t>(concat.parts.size());
  const auto part_path = [&](std::int64_t p) {
    return path + ".parts[" + std::to_string(p) + "].size";
  };
  const std::int64_t given = std::count_if(concat.parts.begin(), concat.parts.end(),
                                           [](const ViewPart& part) { return part.size != 0; });
  if (given == 0) {
    if (extent % count != 0 || extent / count % blocks != 0) {
      return FieldError(path + ".parts",
                        std::to_string(count) + " equal parts in " + std::to_string(blocks) +
                            " blocks do not divide " + std::to_string(extent) +
                            "; allowed: sizes for all parts, or a number that divides");
    }
    return std::vector<std::int64_t>(concat.parts.size(), extent / count);
  }
  std::vector<std::int64_t> sizes;
  std::int64_t left = extent;
  for (std::int64_t p = 0; p < count; ++p) {
    const std::int64_t size = concat.parts[static_cast<std::size_t>(p)].size;
    if (size <= 0 || size % blocks != 0) {
      return FieldError(
          part_path(p),
          std::to_string(size) + "; allowed: a size > 0" +
              (blocks > 1 ? " that " + std::to_string(blocks) + " blocks divide" : "") +
              " for every part, or for none");
    }
    if (size > left) {
      return FieldError(part_path(p), std::to_string(size) + " is more than the " +
                                          std::to_string(left) + " that are left of " +
                                          std::to_string(extent) +
                                          "; allowed: sizes that add up to it");
    }
    left -= size;
    sizes.push_back(size);
  }
  if (left == 0) return sizes;
  return FieldError(path + ".parts", "the sizes add up to " + std::to_string(extent - left) +
                                         "; allowed: to " + std::to_string(extent));
}

// Adds what a part is made of to the whole: templates and draws behind those that are there.
void Append(ViewParts part, ViewParts& whole) {
  const std::size_t first_template = whole.templates.size();
  const auto first_draw = static_cast<int>(whole.draws.size());
  for (PartTemplate& one : part.templates) whole.templates.push_back(std::move(one));
  for (ViewParts::Draw& draw : part.draws) {
    draw.of += first_template;
    whole.draws.push_back(std::move(draw));
  }
  for (Tile& tile : part.tiles) {
    if (tile.draw != Tile::kZeros) tile.draw += first_draw;
    whole.tiles.push_back(std::move(tile));
  }
}

// The part of a tile that lies in [begin, end) of dimension d; none if empty.
std::optional<Tile> Clip(const Tile& tile, std::size_t d, Interval interval) {
  Tile clipped = tile;
  Tile::Dim& dim = clipped.dims[d];
  const std::int64_t begin = std::max(dim.start, interval.begin);
  const std::int64_t end = std::min(dim.start + dim.size, interval.end);
  if (begin >= end) return std::nullopt;
  clipped.base += (begin - dim.start) * dim.stride;
  dim.start = begin;
  dim.size = end - begin;
  return clipped;
}

absl::StatusOr<ViewParts> TakerApart::Of(const Concat& concat, const View&, const Shape& shape,
                                         const Said& said, const Place& place) {
  const std::string path = place.path + ".view.concat";
  auto dim = BindAxis(concat.dim, shape.size(), shape, path + ".dim");
  if (!dim.ok()) return dim.status();
  const std::int64_t blocks = concat.blocks.value_or(1);
  if (blocks < 1)
    return FieldError(path + ".blocks", std::to_string(blocks) + "; allowed: a number ≥ 1");
  if (concat.parts.empty())
    return FieldError(path + ".parts", "missing; allowed: at least one part");
  auto sizes = SizesOf(concat, shape[*dim], path);
  if (!sizes.ok()) return sizes.status();

  ViewParts whole;
  std::int64_t offset = 0;  // of the part's block in each group of blocks
  const std::int64_t group = shape[*dim] / blocks;
  for (std::size_t p = 0; p < concat.parts.size(); ++p) {
    Shape part_shape = shape;
    part_shape[*dim] = (*sizes)[p];
    Place inner = place;
    inner.path = path + ".parts[" + std::to_string(p) + "]";
    inner.owner = inner.path;
    inner.in_part = true;
    auto part = OfPart(concat.parts[p], part_shape, said, inner);
    if (!part.ok()) return part.status();
    const std::int64_t block = (*sizes)[p] / blocks;
    if (blocks > 1) {
      // Each block cuts each tile at most once.
      const auto tiles = static_cast<std::int64_t>(part->tiles.size());
      if (block > 0 && tiles > kMaxViewTiles / blocks) return Spend(kMaxViewTiles + 1, inner.path);
      if (const auto status = Spend(block > 0 ? tiles * blocks : 0, inner.path); !status.ok())
        return status;
    }
    std::vector<Tile> laid;
    for (std::int64_t b = 0; b < blocks && block > 0; ++b) {
      for (const Tile& tile : part->tiles) {
        auto clipped = Clip(tile, *dim, {b * block, (b + 1) * block});
        if (!clipped.has_value()) continue;
        clipped->dims[*dim].start += b * group + offset - b * block;
        laid.push_back(*std::move(clipped));
      }
    }
    offset += block;
    part->tiles = std::move(laid);
    Append(*std::move(part), whole);
  }
  whole.text = absl::StrCat("concat(dim=", *dim, ", blocks=", blocks, ")");
  return whole;
}

absl::StatusOr<ViewParts> TakerApart::Of(const Stack& stack, const View&, const Shape& shape,
                                         const Said& said, const Place& place) {
  const std::string path = place.path + ".view.stack";
  auto dim = BindAxis(stack.dim, shape.size(), shape, path + ".dim");
  if (!dim.ok()) return dim.status();
  const std::int64_t count = shape[*dim];
  if (count == 0)
    return FieldError(path + ".count", "0 parts, as dimension " + std::to_string(*dim) + " of " +
                                           ToString(shape) + " says; allowed: at least one");
  if (stack.count != 0 && stack.count != count) {
    return FieldError(path + ".count", std::to_string(stack.count) + " is not the " +
                                           std::to_string(count) + " of dimension " +
                                           std::to_string(*dim) + " of " + ToString(shape) +
                                           "; allowed: that, or none");
  }
  std::int64_t end = 0;
  if (stack.first < 0 || __builtin_add_overflow(stack.first, count, &end))
    return FieldError(path + ".first", std::to_string(stack.first) + "; allowed: a number ≥ 0");
  Shape part_shape = shape;
  part_shape.erase(part_shape.begin() + static_cast<std::ptrdiff_t>(*dim));
  Place inner = place;
  inner.path = inner.owner = path + ".part";
  inner.in_part = true;
  ++inner.stacks;
  if (stack.part.size != 0 || stack.part.subsequence.has_value()) {
    return FieldError(inner.path, "size and subsequence are of a concat's parts; allowed: neither");
  }
  auto part = OfPart(stack.part, part_shape, said, inner);
  if (!part.ok()) return part.status();
  for (const ViewParts::Draw& draw : part->draws) {
    if (draw.subsequence.has_value() && count > 1)
      return FieldError(path,
                        "one subsequence for " + std::to_string(count) + " parts; allowed: names");
  }
  const auto pieces = static_cast<std::int64_t>(part->tiles.size() + part->draws.size());
  if (count > kMaxViewTiles / std::max<std::int64_t>(pieces, 1))
    return Spend(kMaxViewTiles + 1, path);
  if (const auto status = Spend(count * pieces, path); !status.ok()) return status;

  ViewParts whole;
  whole.templates = std::move(part->templates);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto first_draw = static_cast<int>(whole.draws.size());
    for (ViewParts::Draw draw : part->draws) {
      if (draw.name.has_value()) draw.name = WithNumber(*std::move(draw.name), stack.first + i);
      whole.draws.push_back(std::move(draw));
    }
    for (Tile tile : part->tiles) {
      if (tile.draw != Tile::kZeros) tile.draw += first_draw;
      tile.dims.insert(tile.dims.begin() + static_cast<std::ptrdiff_t>(*dim), {i, 1, 0});
      whole.tiles.push_back(std::move(tile));
    }
  }
  whole.text = absl::StrCat("stack(dim=", *dim, ")", part->text.empty() ? "" : " of ", part->text);
  return whole;
}

absl::StatusOr<ViewParts> TakerApart::Of(const Transpose& transpose, const View&,
                                         const Shape& shape, const Said& said, const Place& place) {
  const std::string path = place.path + ".view.transpose";
  std::vector<std::size_t> axes(shape.size());  // dimension d of the tensor is axes[d] of the draw
  std::iota(axes.begin(), axes.end(), std::size_t{0});
  if (transpose.dims.empty()) {
    if (shape.size() < 2) {
      return FieldError(
          path, ToString(shape) + " has fewer than two dimensions to swap; allowed: two or more");
    }
    std::swap(axes[shape.size() - 1], axes[shape.size() - 2]);
  } else {
    if (transpose.dims.size() != shape.size()) {
      return FieldError(path + ".dims", std::to_string(transpose.dims.size()) +
                                            " numbers for the shape " + ToString(shape) +
                                            "; allowed: one per dimension");
    }
    std::vector<bool> used(shape.size(), false);
    for (std::size_t d = 0; d < shape.size(); ++d) {
      const std::string field = path + ".dims[" + std::to_string(d) + "]";
      auto axis = BindAxis(transpose.dims[d], shape.size(), shape, field);
      if (!axis.ok()) return axis.status();
      if (used[*axis]) {
        return FieldError(field, std::to_string(transpose.dims[d]) +
                                     " is named twice; allowed: each dimension once");
      }
      used[*axis] = true;
      axes[d] = *axis;
    }
  }
  Shape inner_shape(shape.size());
  for (std::size_t d = 0; d < shape.size(); ++d) inner_shape[axes[d]] = shape[d];
  Place inner = place;
  inner.path = path;
  ++inner.depth;
  auto parts = transpose.view.has_value() ? OfView(*transpose.view, inner_shape, said, inner)
                                          : OfOneDraw(inner_shape, said, place);
  if (!parts.ok()) return parts.status();
  for (Tile& tile : parts->tiles) {
    std::vector<Tile::Dim> dims(shape.size());
    for (std::size_t d = 0; d < shape.size(); ++d) dims[d] = tile.dims[axes[d]];
    tile.dims = std::move(dims);
  }
  if (parts->tied_to.has_value()) {
    std::vector<std::size_t> tied_axes;
    tied_axes.reserve(axes.size());
    for (const std::size_t axis : axes) tied_axes.push_back(parts->tied_axes[axis]);
    parts->tied_axes = std::move(tied_axes);
  }
  std::vector<std::string> names;
  names.reserve(axes.size());
  for (const std::size_t axis : axes) names.push_back(std::to_string(axis));
  const std::string of = parts->text.empty() ? "" : " of " + parts->text;
  parts->text = "transpose(" + Join(names, ", ") + ")" + of;
  return parts;
}

absl::StatusOr<ViewParts> TakerApart::Of(const TiedTo& tied, const View&, const Shape& shape,
                                         const Said&, const Place& place) {
  const std::string path = place.path + ".view.tied_to";
  if (place.in_part)
    return FieldError(path,
                      Quote(tied.name) + ": a part cannot be tied; allowed: the tensor itself");
  ViewParts parts;
  parts.tied_to = tied.name;
  parts.tied_shape = shape;
  parts.tied_axes.resize(shape.size());
  std::iota(parts.tied_axes.begin(), parts.tied_axes.end(), std::size_t{0});
  parts.tied_path = path;
  parts.text = "tied_to(" + tied.name + ")";
  return parts;
}

// The rows as ascending intervals without overlap.
absl::StatusOr<std::vector<Interval>> IntervalsOf(const std::vector<Range>& rows,
                                                  std::int64_t extent, const std::string& field,
                                                  std::int64_t most) {
  std::vector<Interval> intervals;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string path = field + "[" + std::to_string(i) + "]";
    auto range = BindRange(rows[i], extent, path);
    if (!range.ok()) return range.status();
    if (range->size == 0) continue;
    if (range->step == 1) {
      intervals.push_back({range->start, range->start + range->size});
      continue;
    }
    if (range->size > most)
      return FieldError(path, std::to_string(range->size) + " single rows; allowed: at most " +
                                  std::to_string(most));
    for (std::int64_t k = 0; k < range->size; ++k) {
      const std::int64_t row = range->start + k * range->step;
      intervals.push_back({row, row + 1});
    }
  }
  std::sort(intervals.begin(), intervals.end(),
            [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
  std::vector<Interval> merged;
  for (const Interval& interval : intervals) {
    if (!merged.empty() && interval.begin <= merged.back().end) {
      merged.back().end = std::max(merged.back().end, interval.end);
    } else {
      merged.push_back(interval);
    }
  }
  return merged;
}

absl::Status TakerApart::ZeroRows(const View& view, const Shape& shape, const Place& place,
                                  ViewParts& parts) {
  const std::string field = place.path + ".view.zero_rows";
  if (shape.empty())
    return FieldError(field, "a scalar has no rows; allowed: a tensor with dimensions");
  auto zero = IntervalsOf(view.zero_rows, shape[0], field, tiles_left_);
  if (!zero.ok()) return zero.status();
  std::vector<Tile> cut;
  for (const Tile& tile : parts.tiles) {
    const std::int64_t end = tile.dims[0].start + tile.dims[0].size;
    std::int64_t at = tile.dims[0].start;
    auto next = std::lower_bound(zero->begin(), zero->end(), at,
                                 [](const Interval& i, std::int64_t x) { return i.end <= x; });
    while (at < end) {
      const bool in_zero = next != zero->end() && next->begin <= at;
      const std::int64_t stop = std::min(end, next == zero->end() ? end
                                              : in_zero           ? next->end
                                                                  : next->begin);
      std::optional<Tile> piece = Clip(tile, 0, {at, stop});
      if (const auto status = Spend(1, field); !status.ok()) return status;
      if (in_zero && piece.has_value()) {
        piece->draw = Tile::kZeros;
        piece->base = 0;
        for (Tile::Dim& dim : piece->dims) dim.stride = 0;
        ++next;
      }
      if (piece.has_value()) cut.push_back(*std::move(piece));
      at = stop;
    }
  }
  parts.tiles = std::move(cut);
  std::vector<std::string> rows;
  constexpr std::size_t kMostShown = 4;
  for (std::size_t i = 0; i < std::min(zero->size(), kMostShown); ++i)
    rows.push_back(absl::StrCat((*zero)[i].begin, ":", (*zero)[i].end));
  if (zero->size() > kMostShown) rows.emplace_back("…");
  parts.text += (parts.text.empty() ? "" : ", ") + ("zero_rows(" + Join(rows, ", ") + ")");
  return absl::OkStatus();
}

}  // namespace

bool IsTied(const OptionalView& view) {
  if (!view.has_value()) return false;
  if (const auto* transpose = std::get_if<Transpose>(&view->kind)) return IsTied(transpose->view);
  return std::holds_alternative<TiedTo>(view->kind);
}

bool HasParts(const View& view) {
  if (const auto* transpose = std::get_if<Transpose>(&view.kind))
    return transpose->view.has_value() && HasParts(*transpose->view);
  return std::holds_alternative<Concat>(view.kind) || std::holds_alternative<Stack>(view.kind);
}

const Initializer* InitOfEveryPart(const OptionalView& view) {
  if (!view.has_value()) return nullptr;
  const auto of_part = [](const ViewPart& part) {
    return part.init.has_value() ? &*part.init : InitOfEveryPart(part.view);
  };
  if (const auto* transpose = std::get_if<Transpose>(&view->kind))
    return InitOfEveryPart(transpose->view);
  if (const auto* stack = std::get_if<Stack>(&view->kind)) return of_part(stack->part);
  const auto* concat = std::get_if<Concat>(&view->kind);
  if (concat == nullptr || concat->parts.empty()) return nullptr;
  const bool all = std::all_of(concat->parts.begin(), concat->parts.end(),
                               [&](const ViewPart& part) { return of_part(part) != nullptr; });
  return all ? of_part(concat->parts[0]) : nullptr;
}

absl::StatusOr<ViewParts> TakeApart(const View& view, const Shape& shape, const std::string& field,
                                    std::int64_t& tiles_left) {
  // Paths are built from the owner of the view on: "tensors[3]" + ".view.concat".
  constexpr std::string_view kView = ".view";
  Place place;
  place.path = place.owner = field.substr(0, field.size() - kView.size());
  auto parts = TakerApart(tiles_left).OfView(view, shape, Said(), place);
  if (!parts.ok()) return parts.status();
  SortTiles(parts->tiles);
  return parts;
}

void SortTiles(std::vector<Tile>& tiles) {
  std::sort(tiles.begin(), tiles.end(), [](const Tile& a, const Tile& b) {
    return std::lexicographical_compare(
        a.dims.begin(), a.dims.end(), b.dims.begin(), b.dims.end(),
        [](const Tile::Dim& x, const Tile::Dim& y) { return x.start < y.start; });
  });
}

}  // namespace weightinit
