#include "lib/engine/single_flight_cache.h"

#include <chrono>
#include <utility>

namespace weightinit {

absl::StatusOr<std::shared_ptr<const void>> SingleFlightCache::GetUntyped(
    const std::string& key, const Make& make, const std::function<bool()>& cancelled) {
  // How long a waiter may overlook that it was cancelled.
  constexpr std::chrono::milliseconds kPoll(50);
  std::unique_lock lock(mutex_);
  while (true) {
    if (auto found = FindLocked(key); found != nullptr) {
      ++hits_;
      return found;
    }
    if (in_flight_.insert(key).second) break;
    changed_.wait_for(lock, kPoll);
    if (cancelled && cancelled())
      return absl::CancelledError("cancelled while another request makes the same matrix");
  }
  ++misses_;
  lock.unlock();
  const Landing landing{*this, key};
  absl::StatusOr<Made> made = make();
  if (!made.ok()) return made.status();
  Keep(key, *made);
  return std::move(made->value);
}

CacheStats SingleFlightCache::stats() {
  const std::lock_guard lock(mutex_);
  return {.bytes = bytes_ + larger_.made.bytes, .hits = hits_, .misses = misses_};
}

SingleFlightCache::Landing::~Landing() {
  {
    const std::lock_guard lock(cache.mutex_);
    cache.in_flight_.erase(key);
  }
  cache.changed_.notify_all();
}

std::shared_ptr<const void> SingleFlightCache::FindUntyped(const std::string& key) {
  const std::lock_guard lock(mutex_);
  return FindLocked(key);
}

std::shared_ptr<const void> SingleFlightCache::FindLocked(const std::string& key) {
  if (larger_.made.value != nullptr && larger_.key == key) return larger_.made.value;
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->made.value;
}

void SingleFlightCache::Keep(const std::string& key, const Made& made) {
  if (max_bytes_ == 0) return;
  std::list<Entry> entry{{key, made}};
  const std::lock_guard lock(mutex_);
  if (made.bytes > max_bytes_) {
    std::swap(larger_, entry.front());
    return;
  }
  if (index_.contains(key)) return;
  while (bytes_ + made.bytes > max_bytes_) {
    const Entry& oldest = entries_.back();
    bytes_ -= oldest.made.bytes;
    index_.erase(oldest.key);
    entries_.pop_back();
  }
  index_.emplace(key, entry.begin());
  entries_.splice(entries_.begin(), entry);
  bytes_ += made.bytes;
}

}  // namespace weightinit
