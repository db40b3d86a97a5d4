// Whatever part is asked for, however it is cut and on however many threads: the bytes are those of
// the full tensor.
#include <chrono>

#include "tests/unit/lib/slices.h"

namespace weightinit {
namespace {

using test::BytesOf;
using test::CheckPart;
using test::EngineOf;
using test::MustResolve;
using test::Random;
using test::Spec;

// A dimension: mostly odd and small, now and then 0 or 1.
std::int64_t RandomDim(Random& random, std::int64_t most) {
  if (random.OneIn(40)) return 0;
  if (random.OneIn(5)) return 1;
  return random.In(1, std::max<std::int64_t>(most, 1));
}

Shape RandomShape(Random& random, std::int64_t low_rank, std::int64_t high_rank) {
  const std::int64_t rank = random.In(low_rank, high_rank);
  const std::int64_t most[] = {1, 5000, 97, 31, 13, 9, 7};
  Shape shape;
  for (std::int64_t d = 0; d < rank; ++d) shape.push_back(RandomDim(random, most[rank]));
  return shape;
}

struct Case {
  Initializer init;
  Shape shape;
  DType dtype = DType::kFloat32;
};

constexpr DType kFloating[] = {DType::kFloat32, DType::kBFloat16,     DType::kFloat16,
                               DType::kFloat64, DType::kFloat8E4M3FN, DType::kFloat8E5M2};
constexpr DType kIntegers[] = {DType::kInt64, DType::kInt32, DType::kUInt8, DType::kBool};

// One case of the method with this index in Initializer.
Case RandomCase(Random& random, std::size_t method) {
  Case c;
  c.dtype = random.Of(kFloating);
  switch (method) {
    case 0:
    case 1:
    case 2:
      if (random.OneIn(2)) c.dtype = random.Of(kIntegers);
      c.init = method == 0   ? Initializer(Zeros{})
               : method == 1 ? Initializer(Ones{})
                             : Initializer(Constant{IsFloatingPoint(c.dtype) ? -0.7 : 1.0});
      c.shape = RandomShape(random, 0, 6);
      break;
    case 3:
      c.init = Eye{2.5};
      c.shape = RandomShape(random, 2, 2);
      break;
    case 4: {
      c.shape = RandomShape(random, 3, 5);
      const std::int64_t groups = random.In(1, 4);
      c.shape[0] *= groups;
      c.init = Dirac{groups};
      break;
    }
    case 5:
      c.init = Uniform{-0.5, 1.5};
      c.shape = RandomShape(random, 0, 6);
      break;
    case 6:
      c.init = Normal{0.25, 2};
      c.shape = RandomShape(random, 0, 6);
      break;
    case 7:
      c.init = random.OneIn(2)
                   ? TruncatedNormal{.low = -1, .high = 3}
                   : TruncatedNormal{.low = -0.5, .high = 9, .bounds = TruncationBounds::kAbsolute};
      c.shape = RandomShape(random, 0, 6);
      break;
    case 8:
      c.init = XavierUniform{};
      break;
    case 9:
      c.init = XavierNormal{};
      break;
    case 10:
      c.init = KaimingUniform{};
      break;
    case 11:
      c.init = KaimingNormal{};
      break;
    case 12:
      c.init = LecunUniform{};
      break;
    case 13:
      c.init = LecunNormal{};
      break;
    case 14:
      c.init = VarianceScaling{.mode = FanMode::kFanGeoAvg};
      break;
    case 15:
      c.init = Orthogonal{1.5};
      break;
    case 16:
      c.init = DeltaOrthogonal{1.5};
      c.shape = RandomShape(random, 3, 5);
      c.shape[0] = std::max(c.shape[0], c.shape[1]);
      break;
    default:
      c.init = Sparse{.sparsity = static_cast<double>(random.In(0, 10)) / 10, .std = 0.5};
      c.shape = RandomShape(random, 2, 2);
  }
  if (method >= 8 && method <= 15) c.shape = RandomShape(random, 2, 6);
  return c;
}

constexpr std::int64_t kMostElements = 60'000;
constexpr std::int64_t kMostMatrixElements = 8'000;

class SlicingTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(SlicingTest, AnyPartHasTheBytesOfTheFullTensor) {
  constexpr int kCases = 120, kParts = 8;
  const std::size_t method = GetParam();
  int drawn = 0;
  for (int round = 0; drawn < kCases; ++round) {
    const std::uint64_t seed = method * 1'000'003 + static_cast<std::uint64_t>(round);
    Random random(seed);
    const Case c = RandomCase(random, method);
    const auto elements = NumElements(c.shape, c.dtype, "shape");
    ASSERT_OK(elements);
    if (*elements > (method >= 15 ? kMostMatrixElements : kMostElements)) continue;
    ++drawn;
    SCOPED_TRACE("case seed " + std::to_string(seed) + ": " + ToString(c.init) + " " +
                 ToString(c.shape) + " " + std::string(Name(c.dtype)));
    const ModelPlan plan = MustResolve(Spec("w", c.shape, c.init, c.dtype), random.Bits());
    ASSERT_EQ(plan.tensors.size(), 1u);
    const std::vector<std::byte> full = BytesOf(EngineOf(1), plan, SelectAll(plan)[0]);
    for (int part = 0; part < kParts; ++part) {
      CheckPart(random, plan, full);
      if (HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryMethod, SlicingTest,
                         ::testing::Range(std::size_t{0}, std::variant_size_v<Initializer>),
                         [](const ::testing::TestParamInfo<std::size_t>& test) {
                           return DescribeMethods()[test.param].name;
                         });

TEST(WholeAndPartTest, TensorsOfManyTasksAreTheSameOnAnyNumberOfThreads) {
  for (const Initializer& init :
       {Initializer(Normal{}), Initializer(Uniform{}), Initializer(TruncatedNormal{}),
        Initializer(Sparse{.sparsity = 0.3}), Initializer(Orthogonal{}), Initializer(Eye{})}) {
    for (const DType dtype : {DType::kFloat32, DType::kFloat8E4M3FN}) {
      const bool matrix = std::holds_alternative<Orthogonal>(init);
      const Shape shape = matrix ? Shape{601, 333} : Shape{1201, 667};
      const ModelPlan plan = MustResolve(Spec("w", shape, init, dtype), 99);
      const BoundSelection all = SelectAll(plan)[0];
      const auto full = BytesOf(EngineOf(1), plan, all);
      for (int threads = 2; threads <= 4; ++threads) {
        CompareSink sink(full, dtype);
        ASSERT_OK(EngineOf(threads).Fill(plan, all, sink));
        EXPECT_EQ(sink.differing(), 0) << ToString(init) << " on " << threads << " threads";
      }
    }
  }
}

TEST(WholeAndPartTest, ADTypeAskedForIsTheTensorOfThatDType) {
  for (const Initializer& init :
       {Initializer(Normal{}), Initializer(Orthogonal{}), Initializer(Sparse{.sparsity = 0.3}),
        Initializer(Constant{0.1}), Initializer(Uniform{-3, 1}), Initializer(TruncatedNormal{})}) {
    for (const DType stored : kFloating) {
      const ModelPlan plan = MustResolve(Spec("w", {31, 17}, init, stored), 5);
      for (const DType asked : kFloating) {
        const ModelPlan direct = MustResolve(Spec("w", {31, 17}, init, asked), 5);
        const auto bound = Bind(plan, {.name = "w", .dtype = asked}, "s");
        ASSERT_OK(bound);
        EXPECT_EQ(BytesOf(EngineOf(1), plan, *bound),
                  BytesOf(EngineOf(1), direct, SelectAll(direct)[0]))
            << ToString(init) << " " << Name(stored) << " as " << Name(asked);
      }
    }
  }
}

// A slice costs what it holds, not what lies before it.
TEST(WholeAndPartTest, TheEndOfAnEnormousTensorIsReachedAtOnce) {
  struct Far {
    Shape shape;
    DType dtype;
  };
  const std::int64_t big = std::int64_t{1} << 31;
  const Far fars[] = {{{std::int64_t{1} << 34}, DType::kFloat32},
                      {{std::int64_t{1} << 17, std::int64_t{1} << 17}, DType::kBFloat16},
                      {{big, 2 * big - 1}, DType::kFloat8E4M3FN},
                      {{big, big}, DType::kFloat8E5M2},
                      {{3, big / 4, big}, DType::kFloat8E4M3FN}};
  const auto start = std::chrono::steady_clock::now();
  for (const Far& far : fars) {
    for (const Initializer& init : {Initializer(Normal{}), Initializer(Uniform{}),
                                    Initializer(TruncatedNormal{}), Initializer(Constant{2})}) {
      const ModelPlan plan = MustResolve(Spec("w", far.shape, init, far.dtype), 1);
      const std::int64_t total = plan.tensors[0].num_elements;
      const auto last = Bind(plan, {.name = "w", .slice = Range{total - 101, {}, {}}}, "s");
      ASSERT_OK(last);
      const auto bytes = BytesOf(EngineOf(1), plan, *last);
      // The same by the last corner as a box, by first_byte, and by steps from far away.
      Box corner;
      for (std::size_t d = 0; d + 1 < far.shape.size(); ++d)
        corner.dims.push_back({far.shape[d] - 1, 1, {}});
      corner.dims.push_back({far.shape.back() - 101, {}, {}});
      const auto box = Bind(plan, {.name = "w", .slice = corner}, "s");
      ASSERT_OK(box);
      EXPECT_EQ(BytesOf(EngineOf(2), plan, *box), bytes);
      const std::int64_t width = SizeBytes(far.dtype);
      const auto tail = Bind(plan, {.name = "w", .first_byte = (total - 101) * width}, "s");
      ASSERT_OK(tail);
      EXPECT_EQ(BytesOf(EngineOf(2), plan, *tail), bytes);
      const auto steps = Bind(
          plan, {.name = "w", .slice = Range{(total - 1) % 1'000'000'007, {}, 1'000'000'007}}, "s");
      ASSERT_OK(steps);
      const auto far_end = BytesOf(EngineOf(1), plan, Part(*steps, steps->count - 1, 1));
      EXPECT_EQ(
          std::memcmp(far_end.data(), bytes.data() + bytes.size() - static_cast<std::size_t>(width),
                      static_cast<std::size_t>(width)),
          0);
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

// The word at index 2^34 + 5 of the document, through a uniform whose bits show it.
TEST(WholeAndPartTest, AFarElementIsMadeOfItsOwnWord) {
  TensorSpec spec = Spec("fc1.weight", {(std::int64_t{1} << 34) + 6}, Uniform{-1, 1});
  const ModelPlan plan = MustResolve(spec, 0x0123456789abcdef);
  const auto last =
      Bind(plan, {.name = "fc1.weight", .slice = Range{(std::int64_t{1} << 34) + 5, {}, {}}}, "s");
  ASSERT_OK(last);
  const float x = test::ValuesOf<float>(BytesOf(EngineOf(1), plan, *last))[0];
  EXPECT_EQ(x, (static_cast<float>((0x06feab02 >> 8) - (1 << 23)) + 0.5f) * 0x1p-23f);
}

}  // namespace
}  // namespace weightinit
