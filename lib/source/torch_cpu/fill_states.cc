#include "lib/source/torch_cpu/fill_states.h"

#include <algorithm>

namespace weightinit::torch_cpu {

FillStates::FillStates(const Mt19937& start, std::uint64_t words)
    // A multiple, so that those who go through the whole fill stop at it.
    : words_(words), spacing_((words / kMostKept / kLeastSpacing + 1) * kLeastSpacing) {
  kept_.emplace(0, start);
}

FillWords FillStates::At(std::uint64_t position) const {
  const std::lock_guard lock(mutex_);
  const FillWords* nearest = nullptr;
  for (const auto& left : left_) {
    if (left.has_value() && left->position() <= position &&
        (nearest == nullptr || left->position() > nearest->position()))
      nearest = &*left;
  }
  auto kept = std::prev(kept_.upper_bound(position));
  if (nearest != nullptr && nearest->position() >= kept->first) {
    // Far from here only where those who read skip a lot: then from what is kept, so that the rest
    // of it comes to be.
    if (position - nearest->position() < spacing_) return *nearest;
  }
  while (position - kept->first >= spacing_) {
    Mt19937 words = kept->second;
    words.Skip(spacing_);
    kept = kept_.emplace(kept->first + spacing_, words).first;
  }
  return FillWords(kept->second, kept->first);
}

void FillStates::Leave(const FillWords& words) const {
  const std::lock_guard lock(mutex_);
  left_[next_left_] = words;
  next_left_ = (next_left_ + 1) % left_.size();
  // One that goes through the whole fill leaves what is kept behind it, without a second pass.
  const std::uint64_t last = kept_.rbegin()->first;
  if (words.position() == last + spacing_) kept_.emplace(words.position(), words.words());
}

std::int64_t FillStates::bytes() const {
  const std::uint64_t states = words_ / spacing_ + 1 + left_.size();
  return static_cast<std::int64_t>(states * (sizeof(FillWords) + 64));
}

}  // namespace weightinit::torch_cpu
