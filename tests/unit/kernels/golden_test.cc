// Every target writes what is frozen in tests/golden/philox_v1.json. A difference here means that
// weights have changed: the code is wrong, never the file.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "tests/unit/kernels/golden_text.h"

namespace weightinit::kernels {
namespace {

class Golden : public ::testing::TestWithParam<const Kernels*> {};

TEST_P(Golden, EveryLine) {
  std::ifstream file(WEIGHTINIT_SOURCE_DIR "/tests/golden/philox_v1.json");
  ASSERT_TRUE(file.is_open());
  std::istringstream computed(GoldenText(*GetParam()));
  std::string expected, got;
  int lines = 0;
  while (std::getline(file, expected)) {
    ASSERT_TRUE(std::getline(computed, got));
    ASSERT_EQ(got, expected);
    ++lines;
  }
  EXPECT_FALSE(std::getline(computed, got)) << "more draws than the file has: " << got;
  EXPECT_GT(lines, 100);
}

INSTANTIATE_TEST_SUITE_P(EveryTarget, Golden, ::testing::ValuesIn(AllKernels()),
                         [](const auto& test) { return std::string(test.param->target); });

}  // namespace
}  // namespace weightinit::kernels
