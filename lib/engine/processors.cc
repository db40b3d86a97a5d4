#include "lib/engine/processors.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "lib/base/text.h"

namespace weightinit {
namespace {

// "QUOTA PERIOD" in microseconds, or "max PERIOD" (version 2); "-1" means no limit in version 1.
std::optional<double> ReadQuota(const std::string& text) {
  std::istringstream words(text);
  std::string quota, period;
  words >> quota >> period;
  const auto quota_us = ReadNumber(quota), period_us = ReadNumber(period);
  if (!quota_us.has_value() || !period_us.has_value() || !(*quota_us > 0) || !(*period_us > 0))
    return std::nullopt;
  return *quota_us / *period_us;
}

void Lower(std::optional<double>& least, std::optional<double> other) {
  if (other.has_value()) least = std::min(least.value_or(*other), *other);
}

// Calls visit(directory) for the group's directory and all above it, up to the mount point. In a
// container the path may name what only the host sees; the mount point itself is always asked.
template <typename Visit>
void ForEachAncestor(const std::string& mount, std::string group, const Visit& visit) {
  while (!group.empty() && group != "/") {
    visit(mount + group);
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
  visit(mount);
}

}  // namespace

std::optional<double> CgroupProcessors(const ReadFile& read) {
  const std::optional<std::string> groups = read("/proc/self/cgroup");
  if (!groups.has_value()) return std::nullopt;
  std::optional<double> least;
  std::istringstream lines(*groups);
  for (std::string line; std::getline(lines, line);) {
    // hierarchy-ID:controllers:path
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1),
                      group = line.substr(second + 1);
    if (controllers.empty()) {
      ForEachAncestor("/sys/fs/cgroup", group, [&](const std::string& directory) {
        Lower(least, ReadQuota(read(directory + "/cpu.max").value_or("")));
      });
    } else if (("," + controllers + ",").find(",cpu,") != std::string::npos) {
      ForEachAncestor("/sys/fs/cgroup/cpu", group, [&](const std::string& directory) {
        const auto quota = read(directory + "/cpu.cfs_quota_us"),
                   period = read(directory + "/cpu.cfs_period_us");
        Lower(least, ReadQuota(quota.value_or("") + " " + period.value_or("")));
      });
    }
  }
  return least;
}

int AvailableProcessors() {
  const auto in_mask = static_cast<double>(std::max(1u, std::thread::hardware_concurrency()));
  const std::optional<double> quota =
      CgroupProcessors([](const std::string& path) -> std::optional<std::string> {
        std::ifstream file(path);
        if (!file) return std::nullopt;
        return std::string(std::istreambuf_iterator<char>(file), {});
      });
  return static_cast<int>(std::clamp(std::ceil(quota.value_or(in_mask)), 1.0, in_mask));
}

}  // namespace weightinit
