#include "lib/source/torch_cpu/torch_source.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/source/draw_apart.h"
#include "lib/source/householder_qr.h"
#include "lib/source/kernels/kernels.h"
#include "lib/source/matrix_source.h"
#include "lib/source/torch_cpu/advance.h"
#include "lib/source/torch_cpu/fill.h"
#include "lib/source/torch_cpu/fill_states.h"
#include "lib/source/torch_cpu/numbers.h"
#include "lib/source/torch_cpu/trunc_normal.h"

namespace weightinit::torch_cpu {
namespace {

using Bytes = std::vector<std::byte>;

// Elements of one dtype to another, as Tensor.to does: by binary32.
void ConvertElements(DType from, const std::byte* in, std::int64_t count, DType to,
                     std::byte* out) {
  constexpr std::int64_t kRun = 1024;
  std::array<float, kRun> values;
  WithNumbers(from, [&]<class Numbers>(Numbers) {
    while (count > 0) {
      const std::int64_t n = std::min(count, kRun);
      for (float& value : std::span(values).first(static_cast<std::size_t>(n))) {
        typename Numbers::Element element;
        std::memcpy(&element, in, sizeof element);
        value = static_cast<float>(Numbers::Decode(element));
        in += sizeof element;
      }
      kernels::BestKernels().convert(values.data(), n, to, out);
      out += n * SizeBytes(to);
      count -= n;
    }
  });
}

// Draws in the dtype of the fill, gives what is asked.
class StepSource : public Source {
 public:
  explicit StepSource(DType dtype) : dtype_(dtype) {}

  void Draw(std::int64_t index, std::int64_t stride, std::int64_t count, DType dtype,
            std::byte* out) const final {
    const auto draw = [&](std::int64_t first, std::int64_t n, std::byte* to) {
      if (dtype == dtype_) return DrawOwn(first, n, to);
      constexpr std::int64_t kRun = 4096;
      alignas(64) std::array<std::byte, kRun * sizeof(double)> own;
      for (std::int64_t run; n > 0; first += run, n -= run, to += run * SizeBytes(dtype)) {
        run = std::min(n, kRun);
        DrawOwn(first, run, own.data());
        ConvertElements(dtype_, own.data(), run, dtype, to);
      }
    };
    if (stride == 1 || count <= 1) {
      draw(index, count, out);
    } else {
      DrawApart(index, stride, count, dtype, out, draw);
    }
  }

 protected:
  DType dtype() const { return dtype_; }
  virtual void DrawOwn(std::int64_t first, std::int64_t count, std::byte* out) const = 0;

 private:
  const DType dtype_;
};

// Values that were made whole.
class HeldSource final : public StepSource {
 public:
  HeldSource(DType dtype, std::shared_ptr<const Bytes> values)
      : StepSource(dtype), values_(std::move(values)) {}

 private:
  void DrawOwn(std::int64_t first, std::int64_t count, std::byte* out) const override {
    const auto size = SizeBytes(dtype());
    std::memcpy(out, values_->data() + first * size, static_cast<std::size_t>(count * size));
  }

  const std::shared_ptr<const Bytes> values_;
};

// Elements that each have words of their own.
class WordsSource final : public StepSource {
 public:
  WordsSource(std::shared_ptr<const Sequence> sequence, const Step& step,
              std::shared_ptr<const FillStates> states)
      : StepSource(step.dtype),
        sequence_(std::move(sequence)),
        step_(step),
        states_(std::move(states)) {}

 private:
  void DrawOwn(std::int64_t first, std::int64_t count, std::byte* out) const override {
    constexpr auto kBlock = static_cast<std::int64_t>(kNormalBlock);
    const auto* normal = std::get_if<NormalWith>(&step_.distribution);
    const std::int64_t from = normal != nullptr ? first - first % kBlock : first;
    FillWords words = states_->At(static_cast<std::uint64_t>(from) * WordsPerElement(step_.dtype));
    const Dialect& dialect = sequence_->dialect;
    if (normal != nullptr) {
      DrawBlockNormal(words, dialect, {.mean = normal->mean, .std = normal->std}, step_.dtype,
                      step_.elements, first, count, out);
    } else if (const auto* uniform = std::get_if<UniformOn>(&step_.distribution)) {
      DrawUniform(words, dialect, {.from = uniform->low, .to = uniform->high}, step_.dtype, first,
                  count, out);
    } else {
      DrawTruncNormalByInverse(words, dialect,
                               FillOf(std::get<TruncatedNormalWith>(step_.distribution)),
                               step_.dtype, first, count, out);
    }
    states_->Leave(words);
  }

  const std::shared_ptr<const Sequence> sequence_;
  const Step& step_;
  const std::shared_ptr<const FillStates> states_;
};

std::string CacheKey(std::string_view what, const Fingerprint& key) {
  return absl::StrCat("torch_cpu ", std::string(what), " ") +
         std::string(reinterpret_cast<const char*>(key.data()), key.size());
}

// The generator before a step, from the nearest earlier state in the cache.
absl::StatusOr<Generator> StateBefore(const Sequence& sequence, std::size_t step,
                                      const SourceTools& tools) {
  std::size_t k = step;
  std::shared_ptr<const Generator> known;
  for (; k > 0; --k) {
    known = tools.cache->Find<Generator>(CacheKey("state", sequence.keys[k]));
    if (known != nullptr) break;
  }
  Generator generator = known != nullptr ? *known : Generator(sequence.start);
  // States are kept where a way ends, and so often that to reach any other one takes a millisecond.
  constexpr std::int64_t kElementsBetween = std::int64_t{1} << 22;
  constexpr int kStepsBetween = 64;
  std::int64_t elements = 0;
  int steps = 0;
  for (; k < step; ++k) {
    const absl::Status status =
        Advance(sequence.dialect, sequence.steps[k], generator, tools.cancelled);
    if (!status.ok()) return status;
    elements += sequence.steps[k].elements;
    if (k + 1 < step && elements < kElementsBetween && ++steps < kStepsBetween) continue;
    tools.cache->Put(CacheKey("state", sequence.keys[k + 1]),
                     {std::make_shared<const Generator>(generator), sizeof(Generator)});
    elements = 0;
    steps = 0;
  }
  return generator;
}

// Q of the normal matrix, times gain, in the dtype.
absl::Status MakeOrthogonalValues(const Dialect& dialect, const Step& step,
                                  const OrthogonalMatrix& orthogonal, Generator& generator,
                                  const SourceTools& tools, Bytes& values) {
  FillNormal(generator, dialect, {}, step.dtype, step.elements, values.data());
  std::vector<float> matrix(static_cast<std::size_t>(step.elements));
  ConvertElements(step.dtype, values.data(), step.elements, DType::kFloat32,
                  reinterpret_cast<std::byte*>(matrix.data()));
  QrOptions options;
  options.parallel_for = tools.parallel_for;
  options.cancelled = tools.cancelled;
  const absl::Status status = OrthogonalFactor(orthogonal.rows, orthogonal.cols, matrix, options);
  if (!status.ok()) return status;
  const auto gain = static_cast<float>(orthogonal.gain);
  for (float& value : matrix) value *= gain;
  kernels::BestKernels().convert(matrix.data(), step.elements, step.dtype, values.data());
  return absl::OkStatus();
}

void MakeSparseValues(const Dialect& dialect, const Step& step, const SparseNormal& sparse,
                      Generator& generator, Bytes& values) {
  FillNormal(generator, dialect, {.mean = 0, .std = sparse.std}, step.dtype, step.elements,
             values.data());
  const auto size = static_cast<std::size_t>(SizeBytes(step.dtype));
  std::vector<std::uint32_t> permutation(static_cast<std::size_t>(sparse.rows));
  for (std::int64_t column = 0; column < sparse.cols; ++column) {
    RandPerm(generator, permutation);
    for (const std::uint32_t row :
         std::span(permutation).first(static_cast<std::size_t>(sparse.zeros_per_column))) {
      const auto at = static_cast<std::size_t>(std::int64_t{row} * sparse.cols + column);
      std::memset(values.data() + at * size, 0, size);
    }
  }
}

// All values of a step.
absl::StatusOr<SingleFlightCache::Made> MakeValues(const Sequence& sequence, std::size_t step_index,
                                                   const SourceTools& tools) {
  const Step& step = sequence.steps[step_index];
  auto generator = StateBefore(sequence, step_index, tools);
  if (!generator.ok()) return generator.status();
  try {
    const auto values =
        std::make_shared<Bytes>(static_cast<std::size_t>(step.elements * SizeBytes(step.dtype)));
    if (const auto* sparse = std::get_if<SparseNormal>(&step.distribution)) {
      MakeSparseValues(sequence.dialect, step, *sparse, *generator, *values);
    } else if (const auto* orthogonal = std::get_if<OrthogonalMatrix>(&step.distribution)) {
      const absl::Status status =
          MakeOrthogonalValues(sequence.dialect, step, *orthogonal, *generator, tools, *values);
      if (!status.ok()) return status;
    } else if (const auto* truncated = std::get_if<TruncatedNormalWith>(&step.distribution)) {
      if (!DrawTruncNormalByRejection(*generator, sequence.dialect, FillOf(*truncated), step.dtype,
                                      step.elements, values->data(), tools.cancelled))
        return absl::CancelledError("cancelled while drawing until all lies within the bounds");
    } else {  // few normals
      const auto& normal = std::get<NormalWith>(step.distribution);
      DrawSerialNormal(*generator, sequence.dialect, {.mean = normal.mean, .std = normal.std},
                       step.dtype, step.elements, values->data());
    }
    return SingleFlightCache::Made{values, static_cast<std::int64_t>(values->size())};
  } catch (const std::exception&) {  // bad_alloc, or length_error beyond what a vector may hold
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a tensor of ", step.elements, " elements"));
  }
}

bool IsHeld(const Dialect& dialect, const Step& step) {
  return IsMadeWhole(dialect, step) || (std::holds_alternative<NormalWith>(step.distribution) &&
                                        !IsFilledInBlocks(step.elements));
}

std::uint64_t WordsOf(const Dialect& dialect, const Step& step) {
  return std::holds_alternative<NormalWith>(step.distribution)
             ? BlockNormalWords(dialect, step.dtype, step.elements)
             : static_cast<std::uint64_t>(step.elements) * WordsPerElement(step.dtype);
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Source>> MakeStepSource(
    const std::shared_ptr<const Sequence>& sequence, std::int64_t step_index,
    const SourceTools& tools) {
  const auto k = static_cast<std::size_t>(step_index);
  const Step& step = sequence->steps[k];
  // A step's values follow from all before it and from itself.
  const Fingerprint& key = sequence->keys[k + 1];
  if (IsHeld(sequence->dialect, step)) {
    auto values = tools.cache->Get<Bytes>(
        CacheKey("values", key), [&] { return MakeValues(*sequence, k, tools); }, tools.cancelled);
    if (!values.ok()) return values.status();
    return std::make_unique<const HeldSource>(step.dtype, *std::move(values));
  }
  auto states = tools.cache->Get<FillStates>(
      CacheKey("fill", key),
      [&]() -> absl::StatusOr<SingleFlightCache::Made> {
        auto generator = StateBefore(*sequence, k, tools);
        if (!generator.ok()) return generator.status();
        auto made =
            std::make_shared<const FillStates>(generator->words, WordsOf(sequence->dialect, step));
        const std::int64_t bytes = made->bytes();
        return SingleFlightCache::Made{std::move(made), bytes};
      },
      tools.cancelled);
  if (!states.ok()) return states.status();
  return std::make_unique<const WordsSource>(sequence, step, *std::move(states));
}

std::int64_t StepBytes(const Sequence& sequence, std::int64_t step_index) {
  const auto k = static_cast<std::size_t>(step_index);
  const Step& step = sequence.steps[k];
  std::int64_t own = 0;
  if (IsMadeWhole(sequence.dialect, step)) {
    double bytes = static_cast<double>(step.elements) * static_cast<double>(SizeBytes(step.dtype));
    if (const auto* orthogonal = std::get_if<OrthogonalMatrix>(&step.distribution))
      bytes += static_cast<double>(OrthogonalBytes(orthogonal->rows, orthogonal->cols));
    own = bytes < 0x1p62 ? static_cast<std::int64_t>(bytes)
                         : std::numeric_limits<std::int64_t>::max();
  }
  return std::max(own, sequence.peak_bytes[k]);
}

}  // namespace weightinit::torch_cpu
