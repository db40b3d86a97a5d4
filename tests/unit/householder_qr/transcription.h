// docs/orthogonal.md written down as plainly as it goes, with nothing from the library: one loop
// per formula, whole matrices, structural zeros included. What the library returns must equal it
// bit by bit.
#ifndef WEIGHTINIT_TESTS_UNIT_HOUSEHOLDER_QR_TRANSCRIPTION_H_
#define WEIGHTINIT_TESTS_UNIT_HOUSEHOLDER_QR_TRANSCRIPTION_H_

#include <vector>

namespace weightinit::test {

std::vector<float> TranscribedFactor32(int rows, int cols, const std::vector<float>& g);
std::vector<double> TranscribedFactor64(int rows, int cols, const std::vector<float>& g);

}  // namespace weightinit::test

#endif  // WEIGHTINIT_TESTS_UNIT_HOUSEHOLDER_QR_TRANSCRIPTION_H_
