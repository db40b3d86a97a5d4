// Tables of other rooms' kernels, one per target, in the order of AllKernels().
#ifndef WEIGHTINIT_SOURCE_KERNELS_AVAILABLE_H_
#define WEIGHTINIT_SOURCE_KERNELS_AVAILABLE_H_

#include <array>
#include <cstddef>
#include <span>

#include "lib/source/kernels/kernels.h"

namespace weightinit::kernels {

// Those that this processor can run. Table has a `target`.
template <class Table>
class Available {
 public:
  void Add(const Table& table) {
    if (FindKernels(table.target) != nullptr) tables_[count_++] = &table;
  }
  std::span<const Table* const> All() const { return {tables_.data(), count_}; }

 private:
  std::array<const Table*, 8> tables_{};
  std::size_t count_ = 0;
};

// The table of the target that BestKernels() takes; else the first, which is the scalar one.
template <class Table>
const Table& LikeBest(std::span<const Table* const> tables) {
  for (const Table* table : tables) {
    if (table->target == BestKernels().target) return *table;
  }
  return *tables.front();
}

}  // namespace weightinit::kernels

#endif  // WEIGHTINIT_SOURCE_KERNELS_AVAILABLE_H_
