#include "server/process_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace weightinit::server {
namespace {

std::int64_t ResidentBytes() {
  std::int64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// `max` if not even the directory can be opened.
std::int64_t OpenFiles(std::int64_t max) {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (error == std::errc::too_many_files_open) return max;
  if (error) return 0;
  return std::distance(begin(files), end(files)) - 1;  // not the one that looks
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

}  // namespace

ProcessUsage ReadProcessUsage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const auto max_files = static_cast<std::int64_t>(files.rlim_cur);
  return {.resident_bytes = ResidentBytes(),
          .cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime),
          .open_files = OpenFiles(max_files),
          .max_files = max_files};
}

}  // namespace weightinit::server
