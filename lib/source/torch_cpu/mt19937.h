// MT19937 (Matsumoto and Nishimura 1998) with the 32-bit seeding of its authors (init_genrand), as
// torch's CPU generator has it.
//
// Thread-safety: a value.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_MT19937_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_MT19937_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lib/source/torch_cpu/kernels.h"

namespace weightinit::torch_cpu {

class Mt19937 {
 public:
  explicit Mt19937(std::uint32_t seed);

  // Words of the state, of which `used` have been given out. REQUIRES: used ≤ kStateWords
  Mt19937(std::span<const std::uint32_t, kStateWords> state, std::size_t used);

  std::uint32_t Next();

  // The next words, as Next would give them one by one.
  void Draw(std::span<std::uint32_t> out);

  // The next words in runs, each still to be tempered: take(std::span<const std::uint32_t>).
  template <class Take>
  void DrawUntempered(std::size_t count, const Take& take) {
    while (count > 0) {
      if (used_ == kStateWords) Refill();
      const std::size_t n = std::min(count, kStateWords - used_);
      take(std::span<const std::uint32_t>(state_).subspan(used_, n));
      used_ += n;
      count -= n;
    }
  }

  // Forgets the next `count` words. Costs a fifth of drawing them.
  void Skip(std::uint64_t count);

  std::span<const std::uint32_t, kStateWords> state() const {
    return std::span(state_).first<kStateWords>();
  }
  std::size_t used() const { return used_; }

  friend bool operator==(const Mt19937& a, const Mt19937& b);

 private:
  void Refill();

  std::array<std::uint32_t, kPaddedStateWords> state_;
  std::size_t used_;  // all of a seeded state: it gives out no word before it is refilled
};

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_MT19937_H_
