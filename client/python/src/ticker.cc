#include "client/python/src/ticker.h"

#include <utility>

namespace weightinit::python {
namespace {

namespace nb = nanobind;

// Soon enough for whoever presses Ctrl-C, seldom enough to cost nothing.
constexpr std::chrono::milliseconds kInterval{50};

}  // namespace

Ticker::Ticker(nb::object progress)
    : progress_(std::move(progress)),
      owner_(std::this_thread::get_id()),
      last_(std::chrono::steady_clock::now()) {}

bool Ticker::Cancelled() {
  if (stopped_.load(std::memory_order_relaxed)) return true;
  if (std::this_thread::get_id() != owner_) return false;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < kInterval) return false;
  Ask();
  last_ = std::chrono::steady_clock::now();
  return stopped_;
}

void Ticker::Ask() {
  const nb::gil_scoped_acquire gil;
  try {
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    if (!progress_.is_none()) progress_(bytes_.load());
  } catch (...) {
    raised_ = std::current_exception();
    stopped_ = true;
  }
}

void Ticker::Rethrow() {
  if (raised_ != nullptr) std::rethrow_exception(std::exchange(raised_, nullptr));
}

}  // namespace weightinit::python
