#include "lib/engine/processors.h"

#include <gtest/gtest.h>

#include <map>

namespace weightinit {
namespace {

using Files = std::map<std::string, std::string>;

std::optional<double> ProcessorsIn(const Files& files) {
  return CgroupProcessors([&](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(CgroupProcessors, NoCgroupsMeanNoLimit) { EXPECT_EQ(ProcessorsIn({}), std::nullopt); }

TEST(CgroupProcessors, Version2QuotaDividesByItsPeriod) {
  EXPECT_EQ(ProcessorsIn({{"/proc/self/cgroup", "0::/pod\n"},
                          {"/sys/fs/cgroup/pod/cpu.max", "150000 100000\n"}}),
            1.5);
}

TEST(CgroupProcessors, Version2MaxIsNoLimit) {
  EXPECT_EQ(ProcessorsIn({{"/proc/self/cgroup", "0::/pod\n"},
                          {"/sys/fs/cgroup/pod/cpu.max", "max 100000\n"}}),
            std::nullopt);
}

TEST(CgroupProcessors, TheSmallestLimitOnTheWayUpCounts) {
  EXPECT_EQ(ProcessorsIn({{"/proc/self/cgroup", "0::/slice/pod\n"},
                          {"/sys/fs/cgroup/slice/pod/cpu.max", "400000 100000\n"},
                          {"/sys/fs/cgroup/slice/cpu.max", "200000 100000\n"}}),
            2.0);
}

TEST(CgroupProcessors, InAContainerTheMountPointIsTheGroup) {
  EXPECT_EQ(ProcessorsIn({{"/proc/self/cgroup", "0::/only/on/the/host\n"},
                          {"/sys/fs/cgroup/cpu.max", "300000 100000\n"}}),
            3.0);
}

TEST(CgroupProcessors, Version1QuotaOfTheCpuController) {
  EXPECT_EQ(ProcessorsIn({{"/proc/self/cgroup", "5:memory:/a\n4:cpu,cpuacct:/a\n"},
                          {"/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000\n"},
                          {"/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"}}),
            0.5);
}

TEST(CgroupProcessors, Version1MinusOneIsNoLimit) {
  EXPECT_EQ(ProcessorsIn({{"/proc/self/cgroup", "4:cpu,cpuacct:/\n"},
                          {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},
                          {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}}),
            std::nullopt);
}

TEST(CgroupProcessors, WhatCannotBeReadIsNoLimit) {
  EXPECT_EQ(ProcessorsIn({{"/proc/self/cgroup", "nonsense\n0::/x\n"},
                          {"/sys/fs/cgroup/x/cpu.max", "many few\n"}}),
            std::nullopt);
}

TEST(AvailableProcessors, IsAtLeastOne) { EXPECT_GE(AvailableProcessors(), 1); }

}  // namespace
}  // namespace weightinit
