// A cache bounded in bytes, in which concurrent requests for one key make the value once.
//
// Thread-safety: may be used from several threads at once.
#ifndef WEIGHTINIT_LIB_ENGINE_SINGLE_FLIGHT_CACHE_H_
#define WEIGHTINIT_LIB_ENGINE_SINGLE_FLIGHT_CACHE_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "absl/status/statusor.h"
#include "weightinit/engine.h"

namespace weightinit {

class SingleFlightCache {
 public:
  struct Made {
    std::shared_ptr<const void> value;
    std::int64_t bytes = 0;
  };
  using Make = std::function<absl::StatusOr<Made>()>;

  // The least recently used values go first when they would take more than max_bytes together. A
  // larger value is kept besides, alone, until the next such: one that is read in parts is made
  // once. 0: none are kept.
  explicit SingleFlightCache(std::int64_t max_bytes) : max_bytes_(max_bytes) {}

  // The value of `key`, made if need be. Who finds another caller making it waits; when that one
  // fails or throws, a waiter makes it itself. `cancelled` ends the waiting. REQUIRES: one key
  // always has values of one type T
  template <typename T>
  absl::StatusOr<std::shared_ptr<const T>> Get(const std::string& key, const Make& make,
                                               const std::function<bool()>& cancelled) {
    auto value = GetUntyped(key, make, cancelled);
    if (!value.ok()) return value.status();
    return std::static_pointer_cast<const T>(*std::move(value));
  }

  // The value of `key` if it is there, else null.
  template <typename T>
  std::shared_ptr<const T> Find(const std::string& key) {
    return std::static_pointer_cast<const T>(FindUntyped(key));
  }

  // Keeps a value that was made elsewhere, unless the key has one.
  void Put(const std::string& key, const Made& made) { Keep(key, made); }

  // Of calls of Get: who waited for another caller's value has hit.
  CacheStats stats();

 private:
  struct Entry {
    std::string key;
    Made made;
  };
  // Ends the making of a key, however it ends.
  struct Landing {
    ~Landing();
    SingleFlightCache& cache;
    const std::string& key;
  };
  absl::StatusOr<std::shared_ptr<const void>> GetUntyped(const std::string& key, const Make& make,
                                                         const std::function<bool()>& cancelled);
  std::shared_ptr<const void> FindUntyped(const std::string& key);
  std::shared_ptr<const void> FindLocked(const std::string& key);
  void Keep(const std::string& key, const Made& made);

  const std::int64_t max_bytes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_set<std::string> in_flight_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> index_;
  std::int64_t bytes_ = 0;  // of entries_
  Entry larger_;            // than max_bytes_
  std::uint64_t hits_ = 0, misses_ = 0;
};

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_ENGINE_SINGLE_FLIGHT_CACHE_H_
