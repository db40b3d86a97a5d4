// What this process uses, as /proc tells it.
#ifndef WEIGHTINIT_SERVER_PROCESS_USAGE_H_
#define WEIGHTINIT_SERVER_PROCESS_USAGE_H_

#include <cstdint>

namespace weightinit::server {

struct ProcessUsage {
  std::int64_t resident_bytes = 0;
  double cpu_seconds = 0;
  std::int64_t open_files = 0, max_files = 0;
};

// What cannot be read is 0.
ProcessUsage ReadProcessUsage();

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_PROCESS_USAGE_H_
