// The product of dimensions, as a number that formulas divide by.
#ifndef WEIGHTINIT_LIB_BASE_PRODUCT_H_
#define WEIGHTINIT_LIB_BASE_PRODUCT_H_

#include <cstdint>
#include <span>

namespace weightinit {

inline double Product(std::span<const std::int64_t> dims) {
  double product = 1;
  for (const std::int64_t dim : dims) product *= static_cast<double>(dim);
  return product;
}

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_BASE_PRODUCT_H_
