#include "server/recipe_cache.h"

#include <iterator>
#include <string>
#include <utility>

#include "proto/convert.h"
#include "weightinit/status.h"

namespace weightinit::server {
namespace {

std::int64_t Bytes(const std::string& text) {
  return static_cast<std::int64_t>(sizeof text + text.capacity());
}

// An entry of the index from names to tensors: node, bucket and pointers.
constexpr std::int64_t kIndexBytes = 64;

}  // namespace

std::int64_t EstimatedBytes(const ModelPlan& plan) {
  std::int64_t bytes = sizeof(ModelPlan);
  for (const TensorPlan& tensor : plan.tensors) {
    bytes +=
        static_cast<std::int64_t>(sizeof tensor + tensor.shape.capacity() * sizeof(std::int64_t));
    bytes += 2 * Bytes(tensor.name) + kIndexBytes;  // here and in the index
    bytes += Bytes(tensor.module) + Bytes(tensor.why);
    for (const std::string& note : tensor.notes) bytes += Bytes(note);
    for (const std::string& warning : tensor.warnings) bytes += Bytes(warning);
    bytes += Bytes(tensor.layout_text);
    for (const PartPlan& part : tensor.parts)
      bytes += static_cast<std::int64_t>(sizeof part) + Bytes(part.why);
    if (const auto* tiled = std::get_if<TiledLayout>(&tensor.layout)) {
      for (const Tile& tile : tiled->tiles)
        bytes += static_cast<std::int64_t>(sizeof tile + tile.dims.capacity() * sizeof(Tile::Dim));
    }
  }
  for (const Draw& draw : plan.draws) {
    bytes += static_cast<std::int64_t>(sizeof draw + draw.shape.capacity() * sizeof(std::int64_t));
    bytes += Bytes(draw.name);
  }
  bytes += static_cast<std::int64_t>(plan.coverage.rule_of_tensor.capacity() *
                                     sizeof(std::optional<int>));
  for (const Coverage::Overlap& overlap : plan.coverage.overlaps) {
    bytes += static_cast<std::int64_t>(sizeof overlap + overlap.others.capacity() * sizeof(int));
  }
  return bytes;
}

void RecipeCache::Insert(std::shared_ptr<const ModelPlan> plan) {
  const std::int64_t bytes = EstimatedBytes(*plan);
  if (bytes > max_bytes_) return;
  const std::lock_guard lock(mutex_);
  if (auto found = by_fingerprint_.find(plan->fingerprint); found != by_fingerprint_.end()) {
    Drop(found->second);
  }
  while (bytes_ > max_bytes_ - bytes) Drop(std::prev(entries_.end()));
  entries_.push_front({std::move(plan), bytes});
  by_fingerprint_[entries_.front().plan->fingerprint] = entries_.begin();
  bytes_ += bytes;
}

absl::StatusOr<std::shared_ptr<const ModelPlan>> RecipeCache::Find(const Fingerprint& fingerprint) {
  const std::lock_guard lock(mutex_);
  const auto found = by_fingerprint_.find(fingerprint);
  if (found == by_fingerprint_.end()) {
    misses_.fetch_add(1, std::memory_order_relaxed);
    return proto::WithDetails(
        FieldError("fingerprint", ToHex(fingerprint) + " is not known here; send the recipe itself",
                   absl::StatusCode::kFailedPrecondition),
        {.reason = std::string(proto::kRecipeUnknown), .metadata = {}, .retry_delay = {}});
  }
  hits_.fetch_add(1, std::memory_order_relaxed);
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->plan;
}

std::int64_t RecipeCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

void RecipeCache::Drop(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  by_fingerprint_.erase(entry->plan->fingerprint);
  entries_.erase(entry);
}

}  // namespace weightinit::server
