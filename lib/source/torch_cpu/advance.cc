#include "lib/source/torch_cpu/advance.h"

#include <algorithm>
#include <array>
#include <vector>

#include "lib/source/torch_cpu/fill.h"
#include "lib/source/torch_cpu/trunc_normal.h"

namespace weightinit::torch_cpu {
namespace {

// Words that are skipped between two questions whether to go on: some ms.
constexpr std::uint64_t kWordsBetweenQuestions = std::uint64_t{1} << 24;

absl::Status Skip(std::uint64_t words, Mt19937& generator, const std::function<bool()>& cancelled) {
  while (words > 0) {
    if (cancelled && cancelled())
      return absl::CancelledError("cancelled while passing over earlier draws");
    const std::uint64_t n = std::min(words, kWordsBetweenQuestions);
    generator.Skip(n);
    words -= n;
  }
  return absl::OkStatus();
}

absl::Status AdvanceNormal(const Dialect& dialect, DType dtype, std::int64_t elements,
                           Generator& generator, const std::function<bool()>& cancelled) {
  if (IsFilledInBlocks(elements))
    return Skip(BlockNormalWords(dialect, dtype, elements), generator.words, cancelled);
  std::array<std::byte, kNormalBlock * sizeof(double)> forgotten;
  DrawSerialNormal(generator, dialect, {}, dtype, elements, forgotten.data());
  return absl::OkStatus();
}

struct Advancer {
  const Dialect& dialect;
  const Step& step;
  Generator& generator;
  const std::function<bool()>& cancelled;

  absl::Status Elementwise() const {
    return Skip(static_cast<std::uint64_t>(step.elements) * WordsPerElement(step.dtype),
                generator.words, cancelled);
  }
  absl::Status operator()(const UniformOn&) const { return Elementwise(); }
  absl::Status operator()(const NormalWith&) const {
    return AdvanceNormal(dialect, step.dtype, step.elements, generator, cancelled);
  }
  absl::Status operator()(const TruncatedNormalWith& d) const {
    if (!dialect.since_2_12()) return Elementwise();
    std::vector<std::byte> forgotten(
        static_cast<std::size_t>(step.elements * SizeBytes(step.dtype)));
    const bool done = DrawTruncNormalByRejection(generator, dialect, FillOf(d), step.dtype,
                                                 step.elements, forgotten.data(), cancelled);
    return done ? absl::OkStatus()
                : absl::CancelledError("cancelled while passing over earlier draws");
  }
  absl::Status operator()(const SparseNormal& d) const {
    const absl::Status status =
        AdvanceNormal(dialect, step.dtype, step.elements, generator, cancelled);
    if (!status.ok()) return status;
    return Skip(static_cast<std::uint64_t>(d.rows - 1) * static_cast<std::uint64_t>(d.cols),
                generator.words, cancelled);
  }
  absl::Status operator()(const OrthogonalMatrix&) const {
    return AdvanceNormal(dialect, step.dtype, step.elements, generator, cancelled);
  }
  template <class Other>
  absl::Status operator()(const Other&) const {
    return absl::OkStatus();
  }
};

}  // namespace

absl::Status Advance(const Dialect& dialect, const Step& step, Generator& generator,
                     const std::function<bool()>& cancelled) {
  return std::visit(Advancer{dialect, step, generator, cancelled}, step.distribution);
}

}  // namespace weightinit::torch_cpu
