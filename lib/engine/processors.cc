#include "lib/engine/processors.h"

#include <algorithm>
#include <thread>

namespace weightinit {

int AvailableProcessors() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace weightinit
