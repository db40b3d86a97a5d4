// Resolved recipes by fingerprint, so that a request need not repeat its recipe.
#ifndef WEIGHTINIT_SERVER_RECIPE_CACHE_H_
#define WEIGHTINIT_SERVER_RECIPE_CACHE_H_

#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "absl/status/statusor.h"
#include "weightinit/plan.h"

namespace weightinit::server {

// Keeps the plans used last, within a number of bytes. Plans that are in use live on after they
// are dropped here.
//
// Thread-safety: safe for use from several threads at once.
class RecipeCache {
 public:
  // max_bytes 0: keeps nothing.
  explicit RecipeCache(std::int64_t max_bytes) : max_bytes_(max_bytes) {}

  // Keeps `plan` under its fingerprint, in place of an older one: the same bits, but its order and
  // its renames are those of the recipe seen last. A plan larger than the whole cache is not kept.
  void Insert(std::shared_ptr<const ModelPlan> plan);

  // Errors: FAILED_PRECONDITION with reason RECIPE_UNKNOWN.
  absl::StatusOr<std::shared_ptr<const ModelPlan>> Find(const Fingerprint& fingerprint);

  std::int64_t bytes() const;
  // How often Find found something, and did not.
  std::uint64_t hits() const { return hits_.load(std::memory_order_relaxed); }
  std::uint64_t misses() const { return misses_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    std::shared_ptr<const ModelPlan> plan;
    std::int64_t bytes;
  };
  using Entries = std::list<Entry>;  // used last first

  void Drop(Entries::iterator entry);

  const std::int64_t max_bytes_;
  mutable std::mutex mutex_;
  std::atomic<std::uint64_t> hits_{0}, misses_{0};
  std::int64_t bytes_ = 0;
  Entries entries_;
  std::map<Fingerprint, Entries::iterator> by_fingerprint_;
};

// About what a plan takes in memory.
std::int64_t EstimatedBytes(const ModelPlan& plan);

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_RECIPE_CACHE_H_
