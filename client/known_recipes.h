// Which recipes the server has seen, so that not every call brings its recipe along.
//
//   const bool is_whole = known.IsUnknown(fingerprint);
//   … a call with the recipe itself, or only its fingerprint …
//   known.Answered(fingerprint, is_whole);  // or, where it said RECIPE_UNKNOWN:
//   known.Missed(fingerprint);
//
// Thread-safety: safe for use from several threads at once.
#ifndef WEIGHTINIT_CLIENT_KNOWN_RECIPES_H_
#define WEIGHTINIT_CLIENT_KNOWN_RECIPES_H_

#include <cstddef>
#include <map>
#include <mutex>

#include "weightinit/plan.h"

namespace weightinit::client {

class KnownRecipes {
 public:
  // Whether the next call is to bring the recipe itself.
  bool IsUnknown(const Fingerprint& fingerprint) const;

  // A call was answered with values. `brought`: it brought the recipe itself.
  void Answered(const Fingerprint& fingerprint, bool brought);

  // A call by fingerprint was not understood. The calls that follow bring the recipe again, so many
  // that where several replicas take turns the one that did not know it is among those asked.
  void Missed(const Fingerprint& fingerprint);

 private:
  static constexpr int kCallsAfterMiss = 4;
  static constexpr std::size_t kMaxRecipes = 256;  // then all are forgotten

  mutable std::mutex mutex_;
  std::map<Fingerprint, int> calls_left_;  // that are to bring the recipe; guarded by mutex_
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_KNOWN_RECIPES_H_
