// Slices at random, and their elements by definition alone: what tests of parts share.
#ifndef WEIGHTINIT_TESTS_UNIT_LIB_SLICES_H_
#define WEIGHTINIT_TESTS_UNIT_LIB_SLICES_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/lib/testing.h"

namespace weightinit::test {

class Random {
 public:
  explicit Random(std::uint64_t seed) : rng_(seed) {}
  // From low to high, both included.
  std::int64_t In(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(rng_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool OneIn(std::int64_t n) { return In(1, n) == 1; }
  std::uint64_t Bits() { return rng_(); }
  template <typename T, std::size_t N>
  const T& Of(const T (&values)[N]) {
    return values[static_cast<std::size_t>(In(0, static_cast<std::int64_t>(N) - 1))];
  }

 private:
  std::mt19937_64 rng_;
};

inline Range RandomRange(Random& random, std::int64_t extent) {
  Range range;
  range.start = random.In(0, extent);
  const std::int64_t left = extent - range.start;
  std::int64_t step = 1;
  if (random.OneIn(2)) range.step = step = random.In(1, random.OneIn(3) ? left + 2 : 7);
  const std::int64_t most = left == 0 ? 0 : (left - 1) / step + 1;
  if (random.OneIn(3)) range.size = random.In(0, most);
  return range;
}

inline std::int64_t SizeOf(const Range& range, std::int64_t extent) {
  if (range.size.has_value()) return *range.size;
  std::int64_t n = 0;
  for (std::int64_t i = range.start; i < extent; i += range.step.value_or(1)) ++n;
  return n;
}

// Logical indices of a slice, by the definition alone: an odometer over the box.
inline std::vector<std::int64_t> IndicesOf(const Slice& slice, const Shape& shape) {
  std::vector<std::int64_t> indices;
  std::int64_t total = 1;
  for (const std::int64_t dim : shape) total *= dim;
  if (const auto* flat = std::get_if<Range>(&slice)) {
    for (std::int64_t k = 0; k < SizeOf(*flat, total); ++k)
      indices.push_back(flat->start + k * flat->step.value_or(1));
    return indices;
  }
  const auto* box = std::get_if<Box>(&slice);
  const std::vector<Range> dims = box == nullptr ? std::vector<Range>(shape.size()) : box->dims;
  std::vector<std::int64_t> position(shape.size(), 0);
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (SizeOf(dims[d], shape[d]) == 0) return indices;
  }
  while (true) {
    std::int64_t index = 0;
    for (std::size_t d = 0; d < shape.size(); ++d)
      index = index * shape[d] + dims[d].start + position[d] * dims[d].step.value_or(1);
    indices.push_back(index);
    std::size_t d = shape.size();
    while (d > 0 && ++position[d - 1] == SizeOf(dims[d - 1], shape[d - 1])) position[--d] = 0;
    if (d == 0) return indices;
  }
}

inline std::string Show(const Range& range) {
  return std::to_string(range.start) + "+" +
         (range.size.has_value() ? std::to_string(*range.size) : "…") + "/" +
         std::to_string(range.step.value_or(1));
}
inline std::string Show(const Slice& slice) {
  if (const auto* flat = std::get_if<Range>(&slice)) return "flat " + Show(*flat);
  std::string text = "box";
  if (const auto* box = std::get_if<Box>(&slice)) {
    for (const Range& range : box->dims) text += " " + Show(range);
  }
  return text;
}

// Engines of 1 to 4 threads, kept for all cases.
inline const Engine& EngineOf(std::int64_t threads) {
  static const std::unique_ptr<Engine> engines[] = {
      std::make_unique<Engine>(EngineOptions{.threads = 1}),
      std::make_unique<Engine>(EngineOptions{.threads = 2}),
      std::make_unique<Engine>(EngineOptions{.threads = 3}),
      std::make_unique<Engine>(EngineOptions{.threads = 4, .cache_bytes = 0})};
  return *engines[threads - 1];
}

// Draws a random part of the plan's only tensor "w", cut at random, on some threads: its bytes are
// those of `full`.
inline void CheckPart(Random& random, const ModelPlan& plan, const std::vector<std::byte>& full) {
  const TensorPlan& tensor = plan.tensors[0];
  Selection selection{.name = "w"};
  if (random.OneIn(2)) {
    Box box;
    for (const std::int64_t dim : tensor.shape) box.dims.push_back(RandomRange(random, dim));
    selection.slice = box;
  } else if (!random.OneIn(5)) {
    selection.slice = RandomRange(random, tensor.num_elements);
  }
  const std::vector<std::int64_t> indices = IndicesOf(selection.slice, tensor.shape);
  const auto total = static_cast<std::int64_t>(indices.size());
  const std::int64_t width = SizeBytes(tensor.dtype);
  const std::int64_t first = random.OneIn(2) ? 0 : random.In(0, total);
  std::int64_t count = total - first;
  selection.first_byte = first * width;
  if (random.OneIn(2)) {
    count = random.In(0, count);
    selection.byte_count = count * width;
  }
  const std::int64_t threads = random.In(1, 4);
  const std::int64_t piece = random.OneIn(2) ? std::max<std::int64_t>(count, 1)
                                             : random.In(1, std::max<std::int64_t>(count, 2));
  SCOPED_TRACE(Show(selection.slice) + ", elements " + std::to_string(first) + "+" +
               std::to_string(count) + ", pieces of " + std::to_string(piece) + ", threads " +
               std::to_string(threads));
  const auto bound = Bind(plan, selection, "selection");
  ASSERT_OK(bound);
  ASSERT_EQ(bound->count, count);
  std::vector<std::byte> bytes(static_cast<std::size_t>(count * width));
  for (std::int64_t done = 0; done < count; done += piece) {
    const BoundSelection part = Part(*bound, done, std::min(piece, count - done));
    const auto place = std::span<std::byte>(bytes).subspan(
        static_cast<std::size_t>(done * width), static_cast<std::size_t>(part.num_bytes()));
    BytesSink sink(place, part.dtype);
    ASSERT_OK(EngineOf(threads).Fill(plan, part, sink));
  }
  const auto w = static_cast<std::size_t>(width);
  for (std::int64_t k = 0; k < count; ++k) {
    const std::int64_t index = indices[static_cast<std::size_t>(first + k)];
    ASSERT_EQ(std::memcmp(bytes.data() + static_cast<std::size_t>(k) * w,
                          full.data() + static_cast<std::size_t>(index) * w, w),
              0)
        << "element " << k << ", logical index " << index;
  }
}

}  // namespace weightinit::test

#endif  // WEIGHTINIT_TESTS_UNIT_LIB_SLICES_H_
