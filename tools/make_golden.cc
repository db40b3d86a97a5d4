// Writes tests/golden/philox_v1.json with the scalar reference:
//
//   make_golden > tests/golden/philox_v1.json
//
// The file is frozen with the first release; draws may be added to it, none may change.
#include <cstdio>

#include "tests/unit/kernels/golden_text.h"

int main() {
  using namespace weightinit::kernels;
  return std::fputs(GoldenText(*FindKernels("scalar")).c_str(), stdout) < 0;
}
