// The edge that no exception crosses.
#ifndef WEIGHTINIT_SERVER_CATCH_ALL_H_
#define WEIGHTINIT_SERVER_CATCH_ALL_H_

#include <exception>
#include <new>
#include <utility>

#include "absl/status/status.h"

namespace weightinit::server {

// What `function` returns (an absl::Status, or a StatusOr), or INTERNAL if it throws: one call must
// not take the server down with it. Without memory: RESOURCE_EXHAUSTED.
template <typename Function>
auto CatchAll(Function function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("the server is out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  } catch (...) {
    return absl::InternalError("unknown exception");
  }
}

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_CATCH_ALL_H_
