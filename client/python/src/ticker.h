// What a long computation asks Python now and then: is there a signal, and where may progress be
// shown.
#ifndef WEIGHTINIT_CLIENT_PYTHON_SRC_TICKER_H_
#define WEIGHTINIT_CLIENT_PYTHON_SRC_TICKER_H_

#include <nanobind/nanobind.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <thread>

namespace weightinit::python {

// To be made by the thread that Python called, which then releases the GIL.
// Thread-safety: Cancelled and Add may be called from several threads at once, the rest not.
class Ticker {
 public:
  // `progress` is called with the bytes done so far, or is None.
  explicit Ticker(nanobind::object progress);

  // For Engine::Fill. Python is asked by its own thread alone: signal handlers run nowhere else.
  bool Cancelled();
  void Add(std::int64_t bytes) { bytes_ += bytes; }
  // Makes every thread stop.
  void Stop() { stopped_ = true; }

  // Once the GIL is held again: raises what Python raised when it was asked.
  void Rethrow();

 private:
  void Ask();

  const nanobind::object progress_;
  const std::thread::id owner_;
  std::chrono::steady_clock::time_point last_;
  std::atomic<bool> stopped_{false};
  std::atomic<std::int64_t> bytes_{0};
  std::exception_ptr raised_;  // the owner's
};

}  // namespace weightinit::python

#endif  // WEIGHTINIT_CLIENT_PYTHON_SRC_TICKER_H_
