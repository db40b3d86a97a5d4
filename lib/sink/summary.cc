#include <algorithm>
#include <cmath>

#include "lib/sink/decode.h"
#include "weightinit/sink.h"

namespace weightinit {
namespace {

std::size_t BinOf(double value, double low, double high, std::size_t bins) {
  if (!(value > low)) return 0;
  if (value >= high) return bins - 1;
  return std::min(
      static_cast<std::size_t>((value - low) / (high - low) * static_cast<double>(bins)), bins - 1);
}

}  // namespace

// Pébay 2008: moments of a union from those of its parts.
void SummarySink::Moments::Merge(const Moments& b) {
  if (b.count == 0) return;
  if (count == 0) {
    *this = b;
    return;
  }
  const auto na = static_cast<double>(count), nb = static_cast<double>(b.count), n = na + nb;
  const double delta = b.mean - mean;
  const double d = delta / n;
  m4 += b.m4 + delta * d * d * d * na * nb * (na * na - na * nb + nb * nb) +
        6.0 * d * d * (na * na * b.m2 + nb * nb * m2) + 4.0 * d * (na * b.m3 - nb * m3);
  m3 += b.m3 + delta * d * d * na * nb * (na - nb) + 3.0 * d * (na * b.m2 - nb * m2);
  m2 += b.m2 + delta * d * na * nb;
  mean += d * nb;
  count += b.count;
}

SummarySink::SummarySink(double histogram_low, double histogram_high, int num_bins) {
  summary_.histogram_low = histogram_low;
  summary_.histogram_high = histogram_high;
  summary_.histogram.assign(static_cast<std::size_t>(num_bins), 0);
}

void SummarySink::Take(const Piece& piece) {
  std::vector<double> values(static_cast<std::size_t>(piece.count));
  DecodeElements(piece.values, piece.dtype, values);

  // Everything about this piece alone, without the lock.
  Moments moments;
  Summary part;
  part.histogram.assign(summary_.histogram.size(), 0);
  double sum = 0;
  for (std::size_t k = 0; k < values.size(); ++k) {
    const double x = values[k];
    if (!std::isfinite(x)) {
      ++(std::isnan(x) ? part.nan_count : part.inf_count);
      continue;
    }
    const std::int64_t index = piece.index + static_cast<std::int64_t>(k) * piece.stride;
    if (moments.count == 0 || x < part.min) part.min = x, part.min_index = index;
    if (moments.count == 0 || x > part.max) part.max = x, part.max_index = index;
    ++moments.count;
    sum += x;
    if (!part.histogram.empty())
      ++part.histogram[BinOf(x, summary_.histogram_low, summary_.histogram_high,
                             part.histogram.size())];
  }
  if (moments.count > 0) {
    moments.mean = sum / static_cast<double>(moments.count);
    for (const double x : values) {
      if (!std::isfinite(x)) continue;
      const double d = x - moments.mean, d2 = d * d;
      moments.m2 += d2;
      moments.m3 += d2 * d;
      moments.m4 += d2 * d2;
    }
  }

  const std::lock_guard lock(mutex_);
  const bool none_before = summary_.count - summary_.nan_count - summary_.inf_count == 0;
  if (moments.count > 0) {
    const auto better = [&](double mine, std::int64_t my_index, double known,
                            std::int64_t known_index, bool below) {
      return none_before || (below ? mine < known : mine > known) ||
             (mine == known && my_index < known_index);
    };
    if (better(part.min, part.min_index, summary_.min, summary_.min_index, true))
      summary_.min = part.min, summary_.min_index = part.min_index;
    if (better(part.max, part.max_index, summary_.max, summary_.max_index, false))
      summary_.max = part.max, summary_.max_index = part.max_index;
  }
  summary_.count += piece.count;
  summary_.nan_count += part.nan_count;
  summary_.inf_count += part.inf_count;
  for (std::size_t b = 0; b < part.histogram.size(); ++b)
    summary_.histogram[b] += part.histogram[b];
  for (std::size_t k = 0;
       k < values.size() && piece.offset + static_cast<std::int64_t>(k) < Summary::kNumFirst; ++k) {
    summary_.first.resize(
        std::max(summary_.first.size(), static_cast<std::size_t>(piece.offset) + k + 1));
    summary_.first[static_cast<std::size_t>(piece.offset) + k] = values[k];
  }
  waiting_.emplace(piece.offset, std::pair{piece.count, moments});
  for (auto next = waiting_.begin(); next != waiting_.end() && next->first == next_offset_;
       next = waiting_.erase(next)) {
    moments_.Merge(next->second.second);
    next_offset_ += next->second.first;
  }
}

Summary SummarySink::Result() const {
  const std::lock_guard lock(mutex_);
  Summary result = summary_;
  if (moments_.count == 0) return result;
  const auto n = static_cast<double>(moments_.count);
  const double variance = moments_.m2 / n;
  result.mean = moments_.mean;
  result.std = std::sqrt(variance);
  if (variance > 0) {
    result.skewness = moments_.m3 / n / (variance * result.std);
    result.excess_kurtosis = moments_.m4 / n / (variance * variance) - 3.0;
  }
  return result;
}

}  // namespace weightinit
