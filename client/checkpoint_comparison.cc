#include "client/checkpoint_comparison.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weightinit::client {

CheckpointComparison::CheckpointComparison(std::vector<StoredValues> stored,
                                           std::function<void(std::int64_t)> progress)
    : stored_(std::move(stored)), progress_(std::move(progress)) {}

absl::Status CheckpointComparison::Take(std::size_t selection, std::int64_t byte_offset,
                                        std::span<const std::byte> bytes) {
  std::array<std::byte, std::size_t{1} << 16> buffer;  // on the stack, in the cache
  const StoredValues& stored = stored_[selection];
  progress_(static_cast<std::int64_t>(bytes.size()));
  while (!bytes.empty()) {
    const std::span piece = std::span(buffer).first(std::min(bytes.size(), buffer.size()));
    if (absl::Status status = stored.file->Read(piece, stored.offset + byte_offset); !status.ok()) {
      return status;
    }
    if (std::memcmp(piece.data(), bytes.data(), piece.size()) != 0) {
      absl::Status status = Note(selection, byte_offset, piece, bytes.first(piece.size()));
      if (!status.ok()) return status;
    }
    bytes = bytes.subspan(piece.size());
    byte_offset += static_cast<std::int64_t>(piece.size());
  }
  return absl::OkStatus();
}

absl::Status CheckpointComparison::Note(std::size_t selection, std::int64_t begin,
                                        std::span<const std::byte> stored,
                                        std::span<const std::byte> drawn) {
  const StoredValues& place = stored_[selection];
  const std::int64_t size = SizeBytes(place.dtype);
  const std::int64_t end = begin + static_cast<std::int64_t>(stored.size());
  Difference whole;
  const std::lock_guard lock(mutex_);
  Found& found = found_[selection];
  for (std::int64_t element = begin / size; element * size < end; ++element) {
    const std::int64_t from = std::max(element * size, begin);
    const auto count = static_cast<std::size_t>(std::min((element + 1) * size, end) - from);
    const std::byte* const there = stored.data() + (from - begin);
    const std::byte* const here = drawn.data() + (from - begin);
    if (std::memcmp(there, here, count) == 0) continue;
    if (static_cast<std::int64_t>(count) == size) {
      if (whole.count++ == 0) {
        whole.first = element;
        std::copy_n(there, count, whole.stored.begin());
        std::copy_n(here, count, whole.drawn.begin());
      }
      continue;
    }
    // A part of an element: what of it has not differed is as it is stored.
    const auto [cut, is_new] = found.cut.try_emplace(element);
    if (is_new) {
      cut->second.first = element;
      const std::span bytes = std::span(cut->second.stored).first(static_cast<std::size_t>(size));
      if (absl::Status status = place.file->Read(bytes, place.offset + element * size);
          !status.ok()) {
        return status;
      }
      cut->second.drawn = cut->second.stored;
    }
    std::copy_n(here, count, cut->second.drawn.begin() + (from - element * size));
  }
  if (whole.count > 0 && (found.whole.count == 0 || whole.first < found.whole.first)) {
    whole.count += found.whole.count;
    found.whole = whole;
  } else {
    found.whole.count += whole.count;
  }
  return absl::OkStatus();
}

std::optional<Difference> CheckpointComparison::DifferenceOf(std::size_t selection) const {
  const std::lock_guard lock(mutex_);
  const auto found = found_.find(selection);
  if (found == found_.end()) return std::nullopt;
  const auto& [whole, cut] = found->second;
  Difference difference = whole;
  if (!cut.empty() && (whole.count == 0 || cut.begin()->first < whole.first)) {
    difference = cut.begin()->second;
  }
  difference.count = whole.count + static_cast<std::int64_t>(cut.size());
  return difference;
}

}  // namespace weightinit::client
