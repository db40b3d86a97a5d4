// Counts standard normals beyond 4, 5, 6 and 7 standard deviations:
//
//   tail_counts DRAWS   prints "SIGMA BELOW ABOVE" lines
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <mutex>

#include "weightinit/engine.h"
#include "weightinit/plan.h"
#include "weightinit/selection.h"
#include "weightinit/sink.h"

namespace weightinit {
namespace {

constexpr std::array<float, 4> kSigmas = {4, 5, 6, 7};

class TailCounts final : public Sink {
 public:
  void Take(const Piece& piece) override {
    const auto* const values = reinterpret_cast<const float*>(piece.values.data());
    for (std::size_t s = 0; s < kSigmas.size(); ++s) {
      std::uint32_t below = 0, above = 0;
      for (std::int64_t i = 0; i < piece.count; ++i) {
        below += values[i] < -kSigmas[s];
        above += values[i] > kSigmas[s];
      }
      below_[s] += below;
      above_[s] += above;
      if (below == 0 && above == 0) return;  // nor beyond the next
    }
  }

  void Print() const {
    for (std::size_t s = 0; s < kSigmas.size(); ++s)
      std::cout << kSigmas[s] << ' ' << below_[s] << ' ' << above_[s] << '\n';
  }

 private:
  std::array<std::atomic<std::uint64_t>, kSigmas.size()> below_{}, above_{};
};

absl::Status Count(std::int64_t draws) {
  TensorSpec spec;
  spec.name = "weight";
  spec.shape = {draws};
  spec.dtype = DType::kFloat32;
  spec.init = Normal{};
  const auto plan = ResolveTensor(spec, /*seed=*/2026);
  if (!plan.ok()) return plan.status();
  const auto selections = BindAll(*plan, {});
  if (!selections.ok()) return selections.status();
  TailCounts counts;
  const absl::Status status = Engine().Fill(*plan, selections->front(), counts);
  if (status.ok()) counts.Print();
  return status;
}

}  // namespace
}  // namespace weightinit

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: tail_counts DRAWS\n";
    return 2;
  }
  const absl::Status status = weightinit::Count(std::strtoll(argv[1], nullptr, 10));
  if (!status.ok()) std::cerr << status << '\n';
  return status.ok() ? 0 : 1;
}
