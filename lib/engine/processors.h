// How many processors this process may use.
#ifndef WEIGHTINIT_LIB_ENGINE_PROCESSORS_H_
#define WEIGHTINIT_LIB_ENGINE_PROCESSORS_H_

#include <functional>
#include <optional>
#include <string>

namespace weightinit {

// The contents of a file, none if it cannot be read.
using ReadFile = std::function<std::optional<std::string>(const std::string& path)>;

// The processor time that control groups leave this process, in processors; none where there is no
// limit. Knows versions 1 and 2 (Documentation/admin-guide/cgroup-v2.rst of the Linux kernel); a
// limit holds for all groups below it, so the smallest one counts.
std::optional<double> CgroupProcessors(const ReadFile& read);

// The processors in the affinity mask, at most what control groups leave, rounded up; ≥ 1. A
// container with "--cpus 2" on a large machine sees all its processors but gets the time of two.
int AvailableProcessors();

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_ENGINE_PROCESSORS_H_
