// Sinks: what takes the values. One pass of Engine::Fill feeds one sink; Tee feeds several.
//
// Thread-safety: a sink is called from several threads at once, with disjoint pieces in no fixed
// order; results are the same whatever the order. Read a sink's result after Fill has returned.
#ifndef WEIGHTINIT_SINK_H_
#define WEIGHTINIT_SINK_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "weightinit/dtype.h"
#include "weightinit/export.h"
#include "weightinit/shape.h"

namespace weightinit {

// A run of drawn elements: values[k] is element offset + k of what was asked for and has the
// logical index index + k·stride in the full tensor.
struct Piece {
  std::int64_t offset = 0;
  std::int64_t count = 0;
  std::int64_t index = 0;
  std::int64_t stride = 1;
  DType dtype = DType::kFloat32;
  std::span<const std::byte> values;  // little-endian
};

class WEIGHTINIT_EXPORT Sink {
 public:
  virtual ~Sink() = default;

  // Where elements [offset, offset + count) are to be drawn to; nullptr: anywhere, the sink only
  // looks at them.
  virtual std::byte* Destination(std::int64_t offset, std::int64_t count);

  // `piece.values` stays valid during the call alone (it lies in Destination, where there is one).
  virtual void Take(const Piece& piece) = 0;
};

// The bytes, little-endian, in the selection's row-major order.
class WEIGHTINIT_EXPORT BytesSink final : public Sink {
 public:
  // REQUIRES: out.size() is exactly what is selected
  BytesSink(std::span<std::byte> out, DType dtype);
  std::byte* Destination(std::int64_t offset, std::int64_t count) override;
  void Take(const Piece& piece) override;

 private:
  std::span<std::byte> out_;
  std::int64_t element_bytes_;
};

// Σ mix(index·0x9E3779B97F4A7C15 + bits + 1) mod 2^64 of a run: adds up over any partition
// (docs/philox-v1.md §5).
WEIGHTINIT_EXPORT std::uint64_t DigestOf(const Piece& piece);

// The factor of a tensor's digest in its model's: docs/philox-v1.md §5.
WEIGHTINIT_EXPORT std::uint64_t DigestWeight(std::string_view canonical_name, DType dtype,
                                             std::span<const std::int64_t> full_shape);

class WEIGHTINIT_EXPORT DigestSink final : public Sink {
 public:
  void Take(const Piece& piece) override;
  std::uint64_t digest() const { return digest_.load(); }

 private:
  std::atomic<std::uint64_t> digest_{0};
};

// Moments, extremes, a histogram and the first values.
struct Summary {
  static constexpr int kNumFirst = 8;

  std::int64_t count = 0;
  std::int64_t nan_count = 0, inf_count = 0;  // left out of everything below
  double mean = 0, std = 0;                   // std of the population
  double skewness = 0, excess_kurtosis = 0;   // 0 where std is 0
  double min = 0, max = 0;
  std::int64_t min_index = 0, max_index = 0;  // logical index of the first extreme
  double histogram_low = 0, histogram_high = 0;
  std::vector<std::int64_t>
      histogram;              // equal bins over [low, high]; values outside count in the end bins
  std::vector<double> first;  // up to kNumFirst values of what was asked for
};

class WEIGHTINIT_EXPORT SummarySink final : public Sink {
 public:
  // REQUIRES: low ≤ high, finite; 0 ≤ num_bins
  SummarySink(double histogram_low, double histogram_high, int num_bins);
  void Take(const Piece& piece) override;
  Summary Result() const;

 private:
  struct Moments {
    std::int64_t count = 0;
    double mean = 0, m2 = 0, m3 = 0, m4 = 0;
    void Merge(const Moments& other);
  };
  // Pieces come in any order; moments are merged in the order of offsets, so that the result never
  // depends on threads.
  mutable std::mutex mutex_;
  std::int64_t next_offset_ = 0;
  std::map<std::int64_t, std::pair<std::int64_t, Moments>> waiting_;
  Moments moments_;
  Summary summary_;
};

// Compares with bytes that someone else holds.
class WEIGHTINIT_EXPORT CompareSink final : public Sink {
 public:
  // REQUIRES: expected.size() is exactly what is selected
  CompareSink(std::span<const std::byte> expected, DType dtype);
  void Take(const Piece& piece) override;
  std::int64_t differing() const { return differing_.load(); }
  // Offset of the first element that differs; meaningful when differing() > 0.
  std::int64_t first_difference() const { return first_difference_.load(); }

 private:
  std::span<const std::byte> expected_;
  std::int64_t element_bytes_;
  std::atomic<std::int64_t> differing_{0};
  std::atomic<std::int64_t> first_difference_;
};

// Feeds several sinks; the first that names a destination decides where the values lie.
class WEIGHTINIT_EXPORT TeeSink final : public Sink {
 public:
  // The sinks must outlive this one.
  explicit TeeSink(std::vector<Sink*> sinks);
  std::byte* Destination(std::int64_t offset, std::int64_t count) override;
  void Take(const Piece& piece) override;

 private:
  std::vector<Sink*> sinks_;
};

}  // namespace weightinit

#endif  // WEIGHTINIT_SINK_H_
