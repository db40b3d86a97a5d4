// sparse: normal values, in each column the rows with the smallest (selection word, row) set to +0.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <exception>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/source/closed_form.h"
#include "lib/source/kernels/kernels.h"
#include "lib/source/matrix_source.h"
#include "lib/source/philox_source.h"

namespace weightinit {
namespace {

// What orders the rows of a column: the selection word, then the row.
using Rank = std::uint64_t;
constexpr std::int64_t kMaxRows = std::int64_t{1} << 32;
Rank RankOf(std::uint32_t word, std::int64_t row) {
  return (Rank{word} << 32) | static_cast<Rank>(row);
}

// Per column the first row that is kept: rows before it in the order are zero.
using Thresholds = std::vector<Rank>;

// Columns drawn together: neighbours share blocks of words, but their ranks are held at once.
constexpr std::int64_t kMostColumnsPerTask = 64;
constexpr std::int64_t kRanksPerTask = std::int64_t{1} << 20;
// Columns of more ranks than that, which threads may hold at one time: more would only take memory.
constexpr std::int64_t kMostLongColumns = 16;

std::int64_t LongColumns(const SparseNormal& sparse) {
  return sparse.rows > kRanksPerTask ? std::min(kMostLongColumns, sparse.cols) : 0;
}

// The thresholds of columns [first, first + columns).
void SelectColumns(kernels::Stream stream, const SparseNormal& sparse, std::int64_t first,
                   std::size_t columns, std::vector<Rank>& ranks, std::span<Rank> thresholds) {
  const auto rows = static_cast<std::size_t>(sparse.rows);
  std::array<std::uint32_t, kMostColumnsPerTask> words;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto index =
        static_cast<std::uint64_t>(static_cast<std::int64_t>(row) * sparse.cols + first);
    kernels::BestKernels().words(stream, kernels::kSelectionPlane, index, {words.data(), columns});
    for (std::size_t c = 0; c < columns; ++c)
      ranks[c * rows + row] = RankOf(words[c], static_cast<std::int64_t>(row));
  }
  for (std::size_t c = 0; c < columns; ++c) {
    const auto column = std::span(ranks).subspan(c * rows, rows);
    const auto kept = column.begin() + sparse.zeros_per_column;
    std::nth_element(column.begin(), kept, column.end());
    thresholds[c] = *kept;
  }
}

absl::Status NoMemory(const SparseNormal& sparse) {
  return absl::ResourceExhaustedError(absl::StrCat("no memory for the selection of a sparse ",
                                                   sparse.rows, "×", sparse.cols, " matrix"));
}

absl::StatusOr<SingleFlightCache::Made> MakeThresholds(const Draw& draw, const SparseNormal& sparse,
                                                       const SourceTools& tools) {
  if (sparse.rows > kMaxRows)
    return absl::ResourceExhaustedError(
        absl::StrCat(sparse.rows, " rows; allowed for sparse: at most 2^32"));
  std::shared_ptr<Thresholds> thresholds;
  try {
    thresholds = std::make_shared<Thresholds>(static_cast<std::size_t>(sparse.cols));
  } catch (const std::exception&) {  // bad_alloc, or length_error beyond what a vector may hold
    return NoMemory(sparse);
  }
  const std::int64_t per_task = std::clamp(kRanksPerTask / sparse.rows, std::int64_t{1},
                                           std::min(kMostColumnsPerTask, sparse.cols));
  std::atomic<bool> cancelled{false}, no_memory{false};
  const auto select = [&](std::int64_t task) {
    if (tools.cancelled && tools.cancelled()) cancelled = true;
    if (cancelled || no_memory) return;
    const std::int64_t first = task * per_task;
    const auto columns = static_cast<std::size_t>(std::min(per_task, sparse.cols - first));
    try {
      std::vector<Rank> ranks(columns * static_cast<std::size_t>(sparse.rows));
      SelectColumns(StreamOf(draw), sparse, first, columns, ranks,
                    std::span(*thresholds).subspan(static_cast<std::size_t>(first), columns));
    } catch (const std::exception&) {
      no_memory = true;
    }
  };
  const std::int64_t tasks = (sparse.cols - 1) / per_task + 1;
  const std::int64_t lanes = LongColumns(sparse) > 0 ? LongColumns(sparse) : tasks;
  tools.parallel_for(lanes, [&](std::int64_t lane) {
    for (std::int64_t task = lane; task < tasks; task += lanes) select(task);
  });
  if (cancelled)
    return absl::CancelledError("cancelled while selecting the zeros of a sparse matrix");
  if (no_memory) return NoMemory(sparse);
  return SingleFlightCache::Made{std::move(thresholds),
                                 sparse.cols * static_cast<std::int64_t>(sizeof(Rank))};
}

class SparseSource final : public Source {
 public:
  SparseSource(std::unique_ptr<const Source> normal, kernels::Stream stream, std::int64_t cols,
               std::shared_ptr<const Thresholds> thresholds)
      : normal_(std::move(normal)),
        stream_(stream),
        cols_(cols),
        thresholds_(std::move(thresholds)) {}

  void Draw(std::int64_t index, std::int64_t stride, std::int64_t count, DType dtype,
            std::byte* out) const override {
    normal_->Draw(index, stride, count, dtype, out);
    constexpr std::int64_t kWords = 256;
    std::array<std::uint32_t, kWords> words;
    const auto size = static_cast<std::size_t>(SizeBytes(dtype));
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t i = index + k * stride;
      const std::int64_t ahead = stride == 1 ? k % kWords : 0;
      if (ahead == 0) {
        const std::int64_t n = stride == 1 ? std::min(kWords, count - k) : 1;
        kernels::BestKernels().words(stream_, kernels::kSelectionPlane,
                                     static_cast<std::uint64_t>(i),
                                     {words.data(), static_cast<std::size_t>(n)});
      }
      const Rank rank = RankOf(words[static_cast<std::size_t>(ahead)], i / cols_);
      if (rank < (*thresholds_)[static_cast<std::size_t>(i % cols_)])
        std::memset(out + static_cast<std::size_t>(k) * size, 0, size);
    }
  }

 private:
  std::unique_ptr<const Source> normal_;
  kernels::Stream stream_;
  std::int64_t cols_;
  std::shared_ptr<const Thresholds> thresholds_;
};

}  // namespace

std::int64_t SparseBytes(const SparseNormal& sparse) {
  // Neither all nor nothing needs an order.
  if (sparse.zeros_per_column == 0 || sparse.zeros_per_column == sparse.rows) return 0;
  std::int64_t ranks = 0;
  const bool overflows = __builtin_mul_overflow(sparse.rows, LongColumns(sparse), &ranks) ||
                         __builtin_add_overflow(ranks, sparse.cols, &ranks) ||
                         __builtin_mul_overflow(ranks, std::int64_t{sizeof(Rank)}, &ranks);
  return overflows ? std::numeric_limits<std::int64_t>::max() : ranks;
}

absl::StatusOr<std::unique_ptr<const Source>> MakeSparse(const Draw& draw,
                                                         const SparseNormal& sparse,
                                                         const SourceTools& tools) {
  auto normal = MakeNormal(draw, NormalWith{0.0, sparse.std});
  if (sparse.zeros_per_column == 0) return normal;
  if (sparse.zeros_per_column == sparse.rows) return MakeFilled(FilledWith{0});
  const std::string key = absl::StrCat("sparse ", draw.seed, " ", draw.subsequence, " ",
                                       sparse.rows, " ", sparse.cols, " ", sparse.zeros_per_column);
  auto thresholds = tools.cache->Get<Thresholds>(
      key, [&] { return MakeThresholds(draw, sparse, tools); }, tools.cancelled);
  if (!thresholds.ok()) return thresholds.status();
  return std::make_unique<const SparseSource>(std::move(normal), StreamOf(draw), sparse.cols,
                                              *std::move(thresholds));
}

}  // namespace weightinit
