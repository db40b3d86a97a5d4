#include "lib/source/householder_qr.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/householder_qr/transcription.h"

namespace weightinit {
namespace {

using Shape = std::pair<int, int>;

std::size_t Size(Shape shape) {
  return static_cast<std::size_t>(shape.first) * static_cast<std::size_t>(shape.second);
}

// Multiples of 2^-23 in [-1, 1), the same everywhere.
std::vector<float> Uniform(Shape shape, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<float> g(Size(shape));
  for (float& x : g) {
    x = static_cast<float>(static_cast<std::int32_t>(generator() >> 40) - (1 << 23)) * 0x1p-23f;
  }
  return g;
}

std::vector<float> Gaussian(Shape shape, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> g(Size(shape));
  for (float& x : g) x = normal(generator);
  return g;
}

std::vector<float> Factor(Shape shape, std::vector<float> g, const QrOptions& options = {}) {
  const absl::Status status = OrthogonalFactor(shape.first, shape.second, g, options);
  EXPECT_TRUE(status.ok()) << status.message();
  return g;
}

std::vector<double> Factor64(Shape shape, const std::vector<float>& g,
                             const QrOptions& options = {}) {
  std::vector<double> q(g.size());
  const absl::Status status = OrthogonalFactor(shape.first, shape.second, g, q, options);
  EXPECT_TRUE(status.ok()) << status.message();
  return q;
}

std::vector<std::uint32_t> Bits(const std::vector<float>& values) {
  std::vector<std::uint32_t> bits;
  bits.reserve(values.size());
  for (const float x : values) bits.push_back(std::bit_cast<std::uint32_t>(x));
  return bits;
}

std::vector<std::uint64_t> Bits(const std::vector<double>& values) {
  std::vector<std::uint64_t> bits;
  bits.reserve(values.size());
  for (const double x : values) bits.push_back(std::bit_cast<std::uint64_t>(x));
  return bits;
}

// FNV-1a over the bits.
template <class T>
std::uint64_t Digest(const std::vector<T>& values) {
  std::uint64_t digest = 0xcbf29ce484222325u;
  for (const std::uint64_t bits : Bits(values)) {
    for (std::size_t byte = 0; byte < sizeof(T); ++byte) {
      digest = (digest ^ ((bits >> (8 * byte)) & 0xff)) * 0x100000001b3u;
    }
  }
  return digest;
}

// A tall view of a matrix: element (r, c) of G or of its transpose.
template <class T>
class Tall {
 public:
  Tall(Shape shape, const std::vector<T>& data) : shape_(shape), data_(data) {}
  int m() const { return std::max(shape_.first, shape_.second); }
  int n() const { return std::min(shape_.first, shape_.second); }
  T operator()(int r, int c) const {
    return data_[static_cast<std::size_t>(shape_.first < shape_.second ? c * m() + r
                                                                       : r * n() + c)];
  }

 private:
  Shape shape_;
  const std::vector<T>& data_;
};

// max|Q^T Q - I|.
template <class T>
double Skew(Shape shape, const std::vector<T>& q) {
  const Tall<T> tall(shape, q);
  double skew = 0;
  for (int i = 0; i < tall.n(); ++i) {
    for (int j = 0; j <= i; ++j) {
      double sum = i == j ? -1 : 0;
      for (int r = 0; r < tall.m(); ++r) {
        sum += static_cast<double>(tall(r, i)) * static_cast<double>(tall(r, j));
      }
      skew = std::max(skew, std::abs(sum));
    }
  }
  return skew;
}

// Householder's method as textbooks have it, one reflection after the other, in 64 bits of mantissa
// where there are.
std::vector<long double> Textbook(Shape shape, const std::vector<float>& g) {
  const Tall<float> tall(shape, g);
  const int m = tall.m();
  const int n = tall.n();
  const auto at = [m](int r, int c) { return static_cast<std::size_t>(c * m + r); };
  std::vector<long double> a(g.size()), q(g.size());
  for (int c = 0; c < n; ++c) {
    for (int r = 0; r < m; ++r) a[at(r, c)] = static_cast<long double>(tall(r, c));
    q[at(c, c)] = 1;
  }
  const auto reflect = [&](std::vector<long double>& x, int j, const std::vector<long double>& v) {
    for (int c = 0; c < n; ++c) {
      long double sum = 0, squares = 0;
      for (int r = j; r < m; ++r) sum += v[at(r, 0)] * x[at(r, c)];
      for (int r = j; r < m; ++r) squares += v[at(r, 0)] * v[at(r, 0)];
      for (int r = j; r < m; ++r) x[at(r, c)] -= 2 * sum / squares * v[at(r, 0)];
    }
  };
  std::vector<std::vector<long double>> vs;
  for (int j = 0; j < n; ++j) {
    std::vector<long double> v(static_cast<std::size_t>(m));
    long double squares = 0;
    for (int r = j; r < m; ++r) v[at(r, 0)] = a[at(r, j)];
    for (const long double x : v) squares += x * x;
    v[at(j, 0)] += v[at(j, 0)] < 0 ? -std::sqrt(squares) : std::sqrt(squares);
    reflect(a, j, v);
    vs.push_back(std::move(v));
  }
  for (int j = n - 1; j >= 0; --j) reflect(q, j, vs[static_cast<std::size_t>(j)]);
  for (int c = 0; c < n; ++c) {
    if (a[at(c, c)] >= 0) continue;
    for (int r = 0; r < m; ++r) q[at(r, c)] = -q[at(r, c)];
  }
  return q;  // by columns
}

// The shapes at which something changes: strips of 16, panels of 64, blocks of 128 rows,
// transposition.
std::vector<Shape> Shapes() {
  std::vector<Shape> shapes = {{1, 1},    {1, 7},    {9, 1},    {300, 1},  {1, 130},  {2, 2},
                               {15, 15},  {16, 16},  {17, 17},  {63, 63},  {64, 64},  {65, 65},
                               {65, 64},  {64, 65},  {63, 64},  {127, 3},  {128, 16}, {129, 17},
                               {130, 80}, {80, 130}, {200, 64}, {257, 65}, {31, 400}, {193, 193}};
  std::mt19937 generator(7);
  for (int i = 0; i < 20; ++i) {
    shapes.emplace_back(1 + static_cast<int>(generator() % 150),
                        1 + static_cast<int>(generator() % 150));
  }
  return shapes;
}

std::string ToString(Shape shape) {
  return std::to_string(shape.first) + " x " + std::to_string(shape.second);
}

TEST(HouseholderQrTest, TheReferenceIsAlwaysThere) {
  ASSERT_FALSE(AllQrKernels().empty());
  EXPECT_EQ(AllQrKernels().front()->name, "scalar");
}

TEST(HouseholderQrTest, EveryTargetFollowsTheDocument) {
  for (const Shape& shape : Shapes()) {
    const std::vector<float> g = Gaussian(shape, 1 + Size(shape));
    const auto expected = Bits(test::TranscribedFactor32(shape.first, shape.second, g));
    for (const QrKernels* kernels : AllQrKernels()) {
      EXPECT_TRUE(Bits(Factor(shape, g, {.kernels = kernels})) == expected)
          << kernels->name << ", " << ToString(shape);
    }
  }
}

TEST(HouseholderQrTest, EveryTargetFollowsTheDocumentInBinary64) {
  for (const Shape& shape : Shapes()) {
    const std::vector<float> g = Gaussian(shape, 2 + Size(shape));
    const auto expected = Bits(test::TranscribedFactor64(shape.first, shape.second, g));
    for (const QrKernels* kernels : AllQrKernels()) {
      EXPECT_TRUE(Bits(Factor64(shape, g, {.kernels = kernels})) == expected)
          << kernels->name << ", " << ToString(shape);
    }
  }
}

TEST(HouseholderQrTest, BitsNeverChange) {
  EXPECT_EQ(Digest(Factor({96, 96}, Uniform({96, 96}, 1))), 0xd2f78d3527aa4d28u);
  EXPECT_EQ(Digest(Factor({300, 70}, Uniform({300, 70}, 2))), 0xe7584dff1c72dd51u);
  EXPECT_EQ(Digest(Factor({70, 300}, Uniform({70, 300}, 3))), 0x75554af951427322u);
  EXPECT_EQ(Digest(Factor64({90, 85}, Uniform({90, 85}, 4))), 0x10808802292791cau);
}

TEST(HouseholderQrTest, TasksMayRunInAnyOrder) {
  const Shape shape = {210, 170};
  const std::vector<float> g = Gaussian(shape, 5);
  const auto expected = Bits(Factor(shape, g));
  std::mt19937 generator(5);
  const auto shuffled = [&](std::int64_t count, const std::function<void(std::int64_t)>& task) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), generator);
    for (const std::int64_t i : order) task(i);
  };
  const auto reversed = [](std::int64_t count, const std::function<void(std::int64_t)>& task) {
    while (count > 0) task(--count);
  };
  const auto threaded = [](std::int64_t count, const std::function<void(std::int64_t)>& task) {
    std::atomic<std::int64_t> next = 0;
    const auto work = [&] {
      for (std::int64_t i = next++; i < count; i = next++) task(i);
    };
    std::thread other(work);
    work();
    other.join();
  };
  EXPECT_TRUE(Bits(Factor(shape, g, {.parallel_for = shuffled})) == expected);
  EXPECT_TRUE(Bits(Factor(shape, g, {.parallel_for = reversed})) == expected);
  EXPECT_TRUE(Bits(Factor(shape, g, {.parallel_for = threaded})) == expected);
  EXPECT_TRUE(Bits(Factor64(shape, g, {.parallel_for = threaded})) == Bits(Factor64(shape, g)));
}

TEST(HouseholderQrTest, IsOrthogonalWithANonNegativeDiagonal) {
  for (const Shape& shape : Shapes()) {
    const std::vector<float> g = Gaussian(shape, 11 + Size(shape));
    const std::vector<float> q = Factor(shape, g);
    EXPECT_LE(Skew(shape, q), 1e-6) << ToString(shape);  // 1e-5 is promised
    const Tall<float> tall_q(shape, q), tall_g(shape, g);
    for (int j = 0; j < tall_g.n(); ++j) {
      double diagonal = 0;
      for (int r = 0; r < tall_g.m(); ++r) {
        diagonal += static_cast<double>(tall_q(r, j)) * static_cast<double>(tall_g(r, j));
      }
      EXPECT_GT(diagonal, -1e-5) << ToString(shape) << ", column " << j;
    }
  }
}

// The largest difference between q and the textbook's factor of g.
template <class T>
double Error(Shape shape, const std::vector<T>& q, const std::vector<long double>& exact) {
  const Tall<T> tall(shape, q);
  long double error = 0;
  for (int c = 0; c < tall.n(); ++c) {
    for (int r = 0; r < tall.m(); ++r) {
      error = std::max(error, std::abs(static_cast<long double>(tall(r, c)) -
                                       exact[static_cast<std::size_t>(c * tall.m() + r)]));
    }
  }
  return static_cast<double>(error);
}

TEST(HouseholderQrTest, IsCloseToTheExactFactor) {
  for (const Shape& shape : Shapes()) {
    const std::vector<float> g = Gaussian(shape, 23 + Size(shape));
    const std::vector<long double> exact = Textbook(shape, g);
    EXPECT_LE(Error(shape, Factor(shape, g), exact), 1e-6) << ToString(shape);  // promised: 2^-10
    const std::vector<double> q = Factor64(shape, g);
    EXPECT_LE(Error(shape, q, exact), 1e-11) << ToString(shape);
    EXPECT_LE(Skew(shape, q), 1e-14) << ToString(shape);
  }
}

TEST(HouseholderQrTest, ALargerSquareMatrixIsOrthogonal) {
  const Shape shape = {512, 512};
  EXPECT_LE(Skew(shape, Factor(shape, Gaussian(shape, 3))), 1e-6);
}

void ExpectIdentity(Shape shape, const std::vector<float>& q) {
  for (int r = 0; r < shape.first; ++r) {
    for (int c = 0; c < shape.second; ++c) {
      const float x = q[static_cast<std::size_t>(r * shape.second + c)];
      EXPECT_EQ(std::bit_cast<std::uint32_t>(x),
                std::bit_cast<std::uint32_t>(r == c ? 1.0f : 0.0f));
    }
  }
}

TEST(HouseholderQrTest, OfZerosIsTheIdentity) {
  for (const Shape& shape : {Shape{1, 1}, Shape{70, 66}, Shape{20, 90}}) {
    for (const float zero : {0.0f, -0.0f}) {
      ExpectIdentity(shape, Factor(shape, std::vector<float>(Size(shape), zero)));
    }
  }
}

TEST(HouseholderQrTest, OfOneColumnIsItsDirection) {
  EXPECT_EQ(Factor({1, 1}, {-2.0f}), std::vector<float>{-1.0f});
  EXPECT_EQ(Factor({1, 1}, {0x1p-149f}), std::vector<float>{1.0f});
  EXPECT_THAT(Factor({2, 1}, {3.0f, -4.0f}),
              testing::Pointwise(testing::FloatNear(1e-6f), {0.6f, -0.8f}));
  EXPECT_THAT(Factor({1, 2}, {-0x1p-149f, 0.0f}),
              testing::Pointwise(testing::FloatNear(1e-6f), {-1.0f, 0.0f}));
  constexpr float kMax = std::numeric_limits<float>::max();
  EXPECT_THAT(Factor({2, 1}, {kMax, kMax}),
              testing::Pointwise(testing::FloatNear(1e-6f), {std::sqrt(0.5f), std::sqrt(0.5f)}));
}

// Matrices whose columns depend on one another, in several ways.
std::vector<std::vector<float>> DeficientMatrices(Shape shape) {
  std::vector<std::vector<float>> matrices;
  const auto add = [&](const std::function<float(int, int, float)>& element) {
    std::vector<float> g = Gaussian(shape, 99);
    for (int r = 0; r < shape.first; ++r) {
      for (int c = 0; c < shape.second; ++c) {
        float& x = g[static_cast<std::size_t>(r * shape.second + c)];
        x = element(r, c, x);
      }
    }
    matrices.push_back(std::move(g));
  };
  add([](int, int c, float x) { return c % 3 == 0 ? 0.0f : x; });
  add([](int r, int, float x) { return r % 3 == 0 ? -0.0f : x; });
  add([](int, int, float) { return 1.0f; });
  add([](int r, int c, float) { return static_cast<float>(r + c); });
  add([](int r, int c, float) { return r == c ? -1.0f : 0.0f; });
  add([](int r, int c, float) { return r + c == 40 ? 1.0f : 0.0f; });
  add([](int r, int c, float) { return static_cast<float>((r + 1) % 4 * ((c + 1) % 5)); });
  add([](int, int, float x) { return x * 0x1p-140f; });
  add([](int, int, float x) { return x * 0x1p120f; });
  add([](int r, int c, float x) { return std::ldexp(x, (r * 7 + c * 31) % 200 - 130); });
  return matrices;
}

TEST(HouseholderQrTest, DependentColumnsGiveAnOrthogonalFactorAllTheSame) {
  for (const Shape& shape : {Shape{90, 90}, Shape{140, 70}, Shape{33, 75}}) {
    int number = 0;
    for (const std::vector<float>& g : DeficientMatrices(shape)) {
      const auto expected = Bits(test::TranscribedFactor32(shape.first, shape.second, g));
      for (const QrKernels* kernels : AllQrKernels()) {
        const std::vector<float> q = Factor(shape, g, {.kernels = kernels});
        EXPECT_LE(Skew(shape, q), 1e-6) << "matrix " << number << ", " << kernels->name;
        EXPECT_TRUE(Bits(q) == expected) << "matrix " << number << ", " << kernels->name;
        for (const float x : q) EXPECT_NE(std::bit_cast<std::uint32_t>(x), 0x80000000u);
      }
      ++number;
    }
  }
}

TEST(HouseholderQrTest, RefusesAShapeThatDoesNotFit) {
  std::vector<float> g(6, 1.0f);
  for (const Shape& shape : {Shape{0, 6}, Shape{6, 0}, Shape{-2, -3}, Shape{4, 1}, Shape{7, 1}}) {
    EXPECT_EQ(OrthogonalFactor(shape.first, shape.second, g).code(),
              absl::StatusCode::kInvalidArgument)
        << ToString(shape);
  }
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;
  EXPECT_EQ(OrthogonalFactor(kHuge, kHuge, g).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(g, std::vector<float>(6, 1.0f));
  std::vector<double> q(5);
  EXPECT_EQ(OrthogonalFactor(2, 3, g, q).code(), absl::StatusCode::kInvalidArgument);
}

TEST(HouseholderQrTest, CanBeCancelledBeforeEachTask) {
  const Shape shape = {200, 150};
  int calls = 0;
  Factor(shape, Gaussian(shape, 1), {.cancelled = [&] { return ++calls < 0; }});
  // Ten strips, three panels with 2, 1 and 0 groups of strips behind them there and back, the end.
  EXPECT_EQ(calls, 10 + 2 * (3 + 2 + 1) + 1);
  const std::vector<float> given = Gaussian(shape, 1);
  for (int limit = 1; limit <= calls; ++limit) {
    std::vector<float> g = given;
    int asked = 0;
    const QrOptions options = {.cancelled = [&] { return ++asked == limit; }};
    EXPECT_EQ(OrthogonalFactor(shape.first, shape.second, g, options).code(),
              absl::StatusCode::kCancelled);
    EXPECT_EQ(asked, limit) << "nothing is done after it";
    EXPECT_EQ(g, given);
  }
}

TEST(HouseholderQrTest, WorkingMemoryIsTwoCopiesAndSaturates) {
  EXPECT_LE(OrthogonalFactorBytes(2048, 2048), 8 * 2048 * 2048 + 300 * (2048 + 2048));
  EXPECT_LE(OrthogonalFactorBytes64(2048, 2048), 8 * 2048 * 2048 + 600 * (2048 + 2048));
  EXPECT_LE(OrthogonalFactorBytes(1, 1 << 20), 16 * (8 + 4) * ((1 << 20) + 200));
  EXPECT_EQ(OrthogonalFactorBytes(3, 5), OrthogonalFactorBytes(5, 3));
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(OrthogonalFactorBytes(kMax, kMax), kMax);
  EXPECT_EQ(OrthogonalFactorBytes(kMax, 1), kMax);
  EXPECT_EQ(OrthogonalFactorBytes64(kMax, 1), kMax);
}

}  // namespace
}  // namespace weightinit
