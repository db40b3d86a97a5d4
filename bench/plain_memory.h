// What memory itself can do, as a ceiling.
#ifndef WEIGHTINIT_BENCH_PLAIN_MEMORY_H_
#define WEIGHTINIT_BENCH_PLAIN_MEMORY_H_

#include <cstddef>
#include <span>

namespace weightinit::bench {

// Fills with non-temporal stores of the widest vectors. REQUIRES: aligned to 64 bytes, a multiple
// of them.
void StreamingStore(std::span<std::byte> out);

}  // namespace weightinit::bench

#endif  // WEIGHTINIT_BENCH_PLAIN_MEMORY_H_
