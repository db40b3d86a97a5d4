// The edge that no exception crosses.
#ifndef WEIGHTINIT_LIB_BASE_CATCH_ALL_H_
#define WEIGHTINIT_LIB_BASE_CATCH_ALL_H_

#include <exception>
#include <new>
#include <stdexcept>

#include "absl/status/status.h"

namespace weightinit {

// What `function` returns (an absl::Status, or a StatusOr). If it throws: RESOURCE_EXHAUSTED for
// want of memory (length_error is what containers say beyond their bounds), INTERNAL otherwise.
template <typename Function>
auto CatchAll(const Function& function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::length_error&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  } catch (...) {
    return absl::InternalError("unknown exception");
  }
}

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_BASE_CATCH_ALL_H_
