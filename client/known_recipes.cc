#include "client/known_recipes.h"

namespace weightinit::client {

bool KnownRecipes::IsUnknown(const Fingerprint& fingerprint) const {
  const std::lock_guard lock(mutex_);
  const auto found = calls_left_.find(fingerprint);
  return found == calls_left_.end() || found->second > 0;
}

void KnownRecipes::Answered(const Fingerprint& fingerprint, bool brought) {
  if (!brought) return;
  const std::lock_guard lock(mutex_);
  if (calls_left_.size() >= kMaxRecipes) calls_left_.clear();
  int& left = calls_left_.try_emplace(fingerprint, 0).first->second;
  if (left > 0) --left;
}

void KnownRecipes::Missed(const Fingerprint& fingerprint) {
  const std::lock_guard lock(mutex_);
  calls_left_[fingerprint] = kCallsAfterMiss;
}

}  // namespace weightinit::client
