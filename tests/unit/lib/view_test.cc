// Views: a tensor made of draws holds exactly what its parts hold as tensors of their own.
#include "weightinit/view.h"

#include <map>
#include <set>

#include "tests/unit/lib/slices.h"

namespace weightinit {
namespace {

using test::Bare;
using test::BytesOf;
using test::CheckPart;
using test::EngineOf;
using test::IsInvalid;
using test::MustResolve;
using test::Random;
using test::RuleOf;
using test::Spec;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ViewPart PartNamed(std::string name, std::int64_t size = 0) {
  ViewPart part;
  part.name = std::move(name);
  part.size = size;
  return part;
}
View ConcatOf(std::vector<ViewPart> parts, std::int64_t dim = 0, std::int64_t blocks = 1) {
  Concat concat;
  concat.parts = std::move(parts);
  concat.dim = dim;
  if (blocks != 1) concat.blocks = blocks;
  return {concat, {}};
}
View StackOf(ViewPart part, std::int64_t dim = 0, std::int64_t first = 0) {
  Stack stack;
  stack.part = std::move(part);
  stack.dim = dim;
  stack.first = first;
  return {stack, {}};
}
View TransposeOf(std::vector<std::int64_t> dims = {}, OptionalView view = {}) {
  Transpose transpose;
  transpose.dims = std::move(dims);
  transpose.view = std::move(view);
  return {transpose, {}};
}
View ZeroRows(std::vector<Range> rows) { return {std::monostate(), std::move(rows)}; }

TensorSpec Viewed(Shape shape, Initializer init, View view, DType dtype = DType::kFloat32) {
  TensorSpec spec = Spec("w", std::move(shape), std::move(init), dtype);
  spec.view = std::move(view);
  return spec;
}

TensorSpec Tied(std::string name, Shape shape, View view) {
  TensorSpec spec = Bare(std::move(name), std::move(shape));
  spec.view = std::move(view);
  return spec;
}

std::vector<std::byte> WholeOf(const ModelPlan& plan, std::size_t tensor = 0) {
  return BytesOf(EngineOf(1), plan, SelectAll(plan)[tensor]);
}
std::vector<std::byte> WholeOf(const TensorSpec& spec, std::uint64_t seed = 0) {
  return WholeOf(MustResolve(spec, seed));
}

// Views by definition: which element of which draw a coordinate of the tensor is.
// ----------------------------------------------------------------------------

struct Element {
  std::string name;  // empty: +0
  Shape shape;       // of the draw
  std::vector<std::int64_t> at;
};

bool IsZeroRow(const View& view, const Shape& shape, std::int64_t row) {
  for (const Range& range : view.zero_rows) {
    const std::int64_t step = range.step.value_or(1);
    for (std::int64_t k = 0; k < test::SizeOf(range, shape[0]); ++k) {
      if (range.start + k * step == row) return true;
    }
  }
  return false;
}

std::string Numbered(std::string name, const std::vector<std::int64_t>& numbers) {
  for (const std::int64_t number : numbers)
    name.replace(name.find("{}"), 2, std::to_string(number));
  return name;
}

Element Find(const OptionalView& view, const Shape& shape, std::vector<std::int64_t> at,
             const std::string& name, std::vector<std::int64_t> numbers) {
  if (!view.has_value()) return {Numbered(name, numbers), shape, at};
  if (!view->zero_rows.empty() && IsZeroRow(*view, shape, at[0])) return {};
  if (const auto* concat = std::get_if<Concat>(&view->kind)) {
    const auto d = static_cast<std::size_t>(concat->dim);
    const std::int64_t blocks = concat->blocks.value_or(1);
    const std::int64_t group = shape[d] / blocks;
    const std::int64_t block = at[d] / group;
    std::int64_t rest = at[d] % group;
    for (const ViewPart& part : concat->parts) {
      const std::int64_t size =
          part.size != 0 ? part.size : shape[d] / static_cast<std::int64_t>(concat->parts.size());
      if (rest < size / blocks) {
        Shape part_shape = shape;
        part_shape[d] = size;
        at[d] = block * (size / blocks) + rest;
        return Find(part.view, part_shape, at, part.name, numbers);
      }
      rest -= size / blocks;
    }
  }
  if (const auto* stack = std::get_if<Stack>(&view->kind)) {
    const auto d = static_cast<std::ptrdiff_t>(stack->dim);
    Shape part_shape = shape;
    numbers.push_back(stack->first + at[static_cast<std::size_t>(d)]);
    part_shape.erase(part_shape.begin() + d);
    at.erase(at.begin() + d);
    return Find(stack->part.view, part_shape, at, stack->part.name, numbers);
  }
  if (const auto* transpose = std::get_if<Transpose>(&view->kind)) {
    std::vector<std::int64_t> dims = transpose->dims;
    if (dims.empty()) {
      for (std::size_t d = 0; d < shape.size(); ++d) dims.push_back(static_cast<std::int64_t>(d));
      std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
    }
    Shape of_draw(shape.size());
    std::vector<std::int64_t> in_draw(shape.size());
    for (std::size_t d = 0; d < shape.size(); ++d) {
      of_draw[static_cast<std::size_t>(dims[d])] = shape[d];
      in_draw[static_cast<std::size_t>(dims[d])] = at[d];
    }
    return Find(transpose->view, of_draw, in_draw, name, numbers);
  }
  return {Numbered(name, numbers), shape, at};
}

// The bytes of a tensor by definition: each element from its part, drawn as a tensor of its own.
std::vector<std::byte> ByDefinition(const TensorSpec& spec, std::uint64_t seed) {
  const auto size = static_cast<std::size_t>(SizeBytes(*spec.dtype));
  std::map<std::string, std::vector<std::byte>> drawn;
  std::vector<std::byte> bytes;
  std::int64_t total = 1;
  for (const std::int64_t dim : spec.shape) total *= dim;
  for (std::int64_t i = 0; i < total; ++i) {
    std::vector<std::int64_t> at(spec.shape.size());
    std::int64_t rest = i;
    for (std::size_t d = at.size(); d-- > 0;) {
      at[d] = rest % spec.shape[d];
      rest /= spec.shape[d];
    }
    const Element element = Find(spec.view, spec.shape, at, spec.name, {});
    if (element.name.empty()) {
      bytes.resize(bytes.size() + size);
      continue;
    }
    auto& part = drawn[element.name];
    if (part.empty()) {
      TensorSpec alone = Spec(element.name, element.shape, *spec.init, *spec.dtype);
      alone.fan = spec.fan;
      part = WholeOf(alone, seed);
    }
    std::size_t index = 0;
    for (std::size_t d = 0; d < element.at.size(); ++d)
      index = index * static_cast<std::size_t>(element.shape[d]) +
              static_cast<std::size_t>(element.at[d]);
    bytes.insert(bytes.end(), part.begin() + static_cast<std::ptrdiff_t>(index * size),
                 part.begin() + static_cast<std::ptrdiff_t>((index + 1) * size));
  }
  return bytes;
}

// Views at random.
// ----------------------------------------------------------------------------

class RandomViews {
 public:
  explicit RandomViews(Random& random) : random_(random) {}

  // A view of a tensor of `shape`, whose parts' names begin with `prefix`.
  View Make(const Shape& shape, const std::string& prefix, int depth, int stacks) {
    View view;
    const std::int64_t kind = random_.In(0, 3);
    if (kind == 0 && !shape.empty()) {
      view.kind = MakeConcat(shape, prefix, depth, stacks);
    } else if (kind == 1 && !shape.empty() && depth < kMaxViewDepth - 1) {
      view.kind = MakeStack(shape, prefix, depth, stacks);
    } else if (kind == 2 && shape.size() >= 2) {
      view.kind = MakeTranspose(shape, prefix, depth, stacks);
    }
    if (!shape.empty() && (std::holds_alternative<std::monostate>(view.kind) || random_.OneIn(3))) {
      for (std::int64_t n = random_.In(1, 3); n > 0; --n)
        view.zero_rows.push_back(RandomRange(random_, shape[0]));
    }
    if (shape.empty()) view.kind = Transpose{.dims = {}, .view = {}};  // refused: never asked for
    return view;
  }

 private:
  OptionalView Inner(const Shape& shape, const std::string& prefix, int depth, int stacks) {
    if (depth >= kMaxViewDepth || shape.empty() || random_.OneIn(2)) return {};
    return Make(shape, prefix, depth, stacks);
  }

  std::string NameOf(const std::string& prefix, int stacks) {
    std::string name = prefix + "p";
    for (int s = 0; s < stacks; ++s) name += ".{}";
    return name;
  }

  Concat MakeConcat(const Shape& shape, const std::string& prefix, int depth, int stacks) {
    Concat concat;
    const auto d =
        static_cast<std::size_t>(random_.In(0, static_cast<std::int64_t>(shape.size()) - 1));
    concat.dim = static_cast<std::int64_t>(d);
    const std::int64_t extent = shape[d];
    std::vector<std::int64_t> divisors;
    for (std::int64_t b = 1; b <= extent; ++b) {
      if (extent % b == 0) divisors.push_back(b);
    }
    const std::int64_t blocks = divisors[static_cast<std::size_t>(
        random_.In(0, static_cast<std::int64_t>(divisors.size()) - 1))];
    concat.blocks = blocks;
    std::int64_t left = extent / blocks;  // blocks' own units
    for (int p = 0; left > 0; ++p) {
      const std::int64_t units = p == 3 ? left : random_.In(1, left);
      left -= units;
      ViewPart part;
      part.size = units * blocks;
      Shape part_shape = shape;
      part_shape[d] = part.size;
      const std::string below = prefix + std::to_string(p);
      part.name = NameOf(below, stacks);
      part.view = Inner(part_shape, below, depth + 1, stacks);
      concat.parts.push_back(part);
    }
    return concat;
  }

  Stack MakeStack(const Shape& shape, const std::string& prefix, int depth, int stacks) {
    Stack stack;
    stack.dim = random_.In(0, static_cast<std::int64_t>(shape.size()) - 1);
    stack.first = random_.In(0, 20);
    Shape part_shape = shape;
    part_shape.erase(part_shape.begin() + static_cast<std::ptrdiff_t>(stack.dim));
    stack.part.name = NameOf(prefix, stacks + 1);
    stack.part.view = Inner(part_shape, prefix, depth + 1, stacks + 1);
    return stack;
  }

  Transpose MakeTranspose(const Shape& shape, const std::string& prefix, int depth, int stacks) {
    Transpose transpose;
    Shape of_draw = shape;
    if (random_.OneIn(3)) {
      std::swap(of_draw[shape.size() - 1], of_draw[shape.size() - 2]);
    } else {
      for (std::size_t d = 0; d < shape.size(); ++d)
        transpose.dims.push_back(static_cast<std::int64_t>(d));
      for (std::size_t d = shape.size(); d-- > 1;)
        std::swap(
            transpose.dims[d],
            transpose.dims[static_cast<std::size_t>(random_.In(0, static_cast<std::int64_t>(d)))]);
      for (std::size_t d = 0; d < shape.size(); ++d)
        of_draw[static_cast<std::size_t>(transpose.dims[d])] = shape[d];
    }
    transpose.view = Inner(of_draw, prefix, depth + 1, stacks);
    return transpose;
  }

  Random& random_;
};

TEST(ViewTest, AnyViewIsItsPartsByDefinitionAndAnySliceIsTheWholes) {
  constexpr int kCases = 400, kParts = 6;
  int with_parts = 0;
  for (int round = 0; round < kCases; ++round) {
    Random random(static_cast<std::uint64_t>(round) + 77'000);
    Shape shape;
    const std::int64_t most[] = {1, 400, 40, 14, 8};
    const std::int64_t rank = random.In(1, 4);
    for (std::int64_t d = 0; d < rank; ++d) shape.push_back(random.In(1, most[rank]));
    constexpr DType kDTypes[] = {DType::kFloat32, DType::kBFloat16, DType::kFloat64,
                                 DType::kFloat8E5M2};
    const Initializer inits[] = {Normal{.std = 0.3}, Uniform{-1, 1}, TruncatedNormal{}};
    const TensorSpec spec = Viewed(shape, random.Of(inits),
                                   RandomViews(random).Make(shape, "x", 0, 0), random.Of(kDTypes));
    const std::uint64_t seed = random.Bits();
    SCOPED_TRACE("case " + std::to_string(round) + " " + ToString(shape));
    const ModelPlan plan = MustResolve(spec, seed);
    ASSERT_EQ(plan.tensors.size(), 1u);
    SCOPED_TRACE(plan.tensors[0].layout_text);
    with_parts += plan.draws.size() > 1 ? 1 : 0;
    const std::vector<std::byte> full = WholeOf(plan);
    ASSERT_EQ(full, ByDefinition(spec, seed));
    for (int part = 0; part < kParts; ++part) {
      CheckPart(random, plan, full);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(with_parts, kCases / 4);
}

// What every sharding of a tensor must give.
// ----------------------------------------------------------------------------

std::uint64_t DigestOfPart(const ModelPlan& plan, const BoundSelection& part) {
  DigestSink sink;
  EXPECT_OK(EngineOf(1).Fill(plan, part, sink));
  return sink.digest();
}

std::vector<TensorSpec> SomeViews() {
  ViewPart experts = PartNamed("e.{}.w");
  ViewPart packed = PartNamed("");
  packed.view = ConcatOf({PartNamed("l.{}.q", 12), PartNamed("l.{}.k", 6)}, 0, 3);
  View padded = ConcatOf({PartNamed("q", 20), PartNamed("k", 10), PartNamed("v", 10)}, 1, 5);
  padded.zero_rows = {Range{7, {}, {}}};
  return {Viewed({12, 40}, Normal{}, padded),
          Viewed({9, 11, 13}, Uniform{}, StackOf(experts)),
          Viewed({11, 9, 13}, Normal{}, StackOf(experts, 1, 4)),
          Viewed({5, 18, 7}, Normal{}, StackOf(packed), DType::kBFloat16),
          Viewed({17, 31}, Normal{}, TransposeOf()),
          Viewed({6, 5, 4, 7}, Orthogonal{}, TransposeOf({2, 3, 1, 0})),
          Viewed({4, 16, 8}, Orthogonal{}, StackOf(experts)),
          Viewed({30, 12}, Orthogonal{}, ConcatOf({PartNamed("a"), PartNamed("b")}, 0, 3)),
          Viewed({24, 12}, Sparse{.sparsity = 0.3}, ConcatOf({PartNamed("a"), PartNamed("b")}, 1))};
}

TEST(ViewTest, ShardsOfAnyDimensionAndWorldSizeAddUpToTheWhole) {
  for (const TensorSpec& spec : SomeViews()) {
    const ModelPlan plan = MustResolve(spec, 3);
    const BoundSelection all = SelectAll(plan)[0];
    const std::uint64_t whole = DigestOfPart(plan, all);
    SCOPED_TRACE(plan.tensors[0].layout_text);
    for (std::size_t d = 0; d < spec.shape.size(); ++d) {
      for (std::int64_t world = 1; world <= 9; ++world) {
        // As torch.chunk: ceil(size / world) each, the last ones less or none.
        const std::int64_t chunk = (spec.shape[d] + world - 1) / world;
        std::uint64_t sum = 0;
        for (std::int64_t rank = 0; rank < world; ++rank) {
          Box box{std::vector<Range>(spec.shape.size())};
          box.dims[d].start = std::min(rank * chunk, spec.shape[d]);
          box.dims[d].size = std::min(chunk, spec.shape[d] - box.dims[d].start);
          const auto bound = Bind(plan, {.name = "w", .slice = box}, "s");
          ASSERT_OK(bound);
          sum += DigestOfPart(plan, *bound);
        }
        EXPECT_EQ(sum, whole) << "dimension " << d << ", world size " << world;
      }
    }
  }
}

TEST(ViewTest, OtherTensorsTheirOrderAndTheirNamesChangeNothing) {
  Recipe recipe;
  recipe.seed = 11;
  for (const TensorSpec& view : SomeViews()) {
    const auto alone = WholeOf(view, 11);
    recipe.tensors = {Spec("before", {3, 5}, Normal{}), view, Spec("after", {7}, Uniform{})};
    EXPECT_EQ(WholeOf(MustResolve(recipe), 1), alone);
    std::swap(recipe.tensors[0], recipe.tensors[1]);
    recipe.tensors[2].name = "another";
    recipe.tensors.push_back(Tied("tied", view.shape, {TiedTo{"w"}, {}}));
    const ModelPlan plan = MustResolve(recipe);
    EXPECT_EQ(WholeOf(plan, 0), alone);
    EXPECT_EQ(WholeOf(plan, 3), alone);
  }
}

// The uses that views are for.
// ----------------------------------------------------------------------------

TEST(ViewTest, MegatronsPackedQkvIsItsParts) {
  // 2 query groups, head size 3, 4 heads: q1 q2 k1 v1 | q3 q4 k2 v2.
  const TensorSpec packed =
      Viewed({24, 8}, XavierNormal{},
             ConcatOf({PartNamed("q", 12), PartNamed("k", 6), PartNamed("v", 6)}, 0, 2));
  const ModelPlan plan = MustResolve(packed, 5);
  EXPECT_EQ(plan.tensors[0].layout_text, "concat(dim=0, blocks=2)");
  EXPECT_EQ(plan.tensors[0].num_draws, 3);
  ASSERT_EQ(plan.tensors[0].parts.size(), 3u);
  // The fans are the parts', not those of the packed matrix.
  EXPECT_EQ(plan.tensors[0].parts[0].fans, (Fans{8, 12}));
  EXPECT_EQ(plan.tensors[0].parts[1].fans, (Fans{8, 6}));
  EXPECT_EQ(plan.tensors[0].fans, std::nullopt);
  const auto bytes = WholeOf(plan);
  const auto q = WholeOf(Spec("q", {12, 8}, XavierNormal{}), 5),
             k = WholeOf(Spec("k", {6, 8}, XavierNormal{}), 5),
             v = WholeOf(Spec("v", {6, 8}, XavierNormal{}), 5);
  std::vector<std::byte> expected;
  for (std::ptrdiff_t block = 0; block < 2; ++block) {
    for (const auto& [part, rows] : {std::pair{&q, 6}, std::pair{&k, 3}, std::pair{&v, 3}}) {
      const std::ptrdiff_t size = rows * 8 * 4;
      expected.insert(expected.end(), part->begin() + block * size,
                      part->begin() + (block + 1) * size);
    }
  }
  EXPECT_EQ(bytes, expected);
}

TEST(ViewTest, PartsSayWhatDiffers) {
  ViewPart gate = PartNamed("gate", 4), up = PartNamed("up", 4);
  up.init = Uniform{-1, 1};
  up.seed = 9;
  up.scale = 0.5;
  gate.subsequence = 42;
  TensorSpec spec = Viewed({8, 6}, Normal{}, ConcatOf({gate, up}));
  spec.scale = 3;
  const ModelPlan plan = MustResolve(spec, 5);
  EXPECT_EQ(plan.draws[0].subsequence, 42u);
  EXPECT_EQ(plan.draws[0].seed, 5u);
  EXPECT_EQ(std::get<NormalWith>(plan.draws[0].distribution).std, 3);
  EXPECT_EQ(plan.draws[1].seed, 9u);
  EXPECT_EQ(std::get<UniformOn>(plan.draws[1].distribution).high, 0.5);
}

TEST(ViewTest, ATransposedKernelHasTheValuesOfTheTorchWeight) {
  const TensorSpec torch = Spec("dense", {16, 100}, LecunNormal{});
  TensorSpec flax = Viewed({100, 16}, LecunNormal{}, TransposeOf());
  flax.name = "dense";
  const ModelPlan plan = MustResolve(flax, 1);
  EXPECT_EQ(plan.tensors[0].fans, (Fans{100, 16}));  // of the draw, read OUT_IN
  EXPECT_EQ(plan.tensors[0].layout_text, "transpose(1, 0)");
  const auto a = test::ValuesOf<float>(WholeOf(torch, 1)), b = test::ValuesOf<float>(WholeOf(plan));
  for (std::size_t o = 0; o < 16; ++o) {
    for (std::size_t i = 0; i < 100; ++i) ASSERT_EQ(a[o * 100 + i], b[i * 16 + o]);
  }
}

TEST(ViewTest, AStackIsItsPartsAndAStageCanHoldSomeOfThem) {
  const ModelPlan plan =
      MustResolve(Viewed({3, 5, 7}, Normal{}, StackOf(PartNamed("layers.{}.w"), 0, 16)), 2);
  const auto bytes = WholeOf(plan);
  for (std::ptrdiff_t i = 0; i < 3; ++i) {
    const auto part = WholeOf(Spec("layers." + std::to_string(16 + i) + ".w", {5, 7}, Normal{}), 2);
    const auto size = static_cast<std::ptrdiff_t>(part.size());
    EXPECT_EQ(std::vector(bytes.begin() + i * size, bytes.begin() + (i + 1) * size), part);
  }
}

TEST(ViewTest, GrowingAVocabularyKeepsTheOldRowsAndThePaddingIsZero) {
  const ModelPlan small = MustResolve(Viewed({50, 8}, Normal{}, ZeroRows({Range{47, {}, {}}})), 1);
  const ModelPlan large = MustResolve(Viewed({64, 8}, Normal{}, ZeroRows({Range{60, {}, {}}})), 1);
  EXPECT_EQ(small.tensors[0].layout_text, "zero_rows(47:50)");
  const auto a = test::ValuesOf<float>(WholeOf(small)), b = test::ValuesOf<float>(WholeOf(large));
  EXPECT_TRUE(std::equal(a.begin(), a.begin() + 47 * 8, b.begin()));
  EXPECT_TRUE(std::all_of(a.begin() + 47 * 8, a.end(), [](float x) { return x == 0; }));
  EXPECT_TRUE(std::none_of(b.begin(), b.begin() + 60 * 8, [](float x) { return x == 0; }));
  // Zeros count in what is expected of the whole.
  EXPECT_NEAR(small.tensors[0].expected.std, std::sqrt(47.0 / 50), 1e-12);
}

TEST(ViewTest, TiedTensorsShareTheirElementsAndCountOnce) {
  Recipe recipe;
  recipe.tensors = {Tied("lm_head.weight", {10, 4}, {TiedTo{"module.embed.weight"}, {}}),
                    Spec("embed.weight", {10, 4}, Normal{}, DType::kBFloat16),
                    Tied("kernel", {4, 10}, TransposeOf({}, View{TiedTo{"embed.weight"}, {}}))};
  const ModelPlan plan = MustResolve(recipe);
  EXPECT_EQ(plan.tensors[0].tied_to, 1);
  EXPECT_EQ(plan.tensors[0].dtype, DType::kBFloat16);
  EXPECT_EQ(plan.tensors[0].layout_text, "tied_to(module.embed.weight)");
  EXPECT_EQ(plan.tensors[1].tied_to, std::nullopt);
  // Transposed it is no duplicate.
  EXPECT_EQ(plan.tensors[2].tied_to, std::nullopt);
  EXPECT_EQ(plan.num_elements, 80);
  EXPECT_EQ(plan.num_bytes, 160);
  EXPECT_EQ(plan.draws.size(), 1u);
  EXPECT_EQ(plan.DrawsOf(0).data(), plan.DrawsOf(1).data());
  EXPECT_EQ(WholeOf(plan, 0), WholeOf(plan, 1));
  const auto w = test::ValuesOf<std::uint16_t>(WholeOf(plan, 1)),
             t = test::ValuesOf<std::uint16_t>(WholeOf(plan, 2));
  for (std::size_t i = 0; i < 10; ++i) {
    for (std::size_t j = 0; j < 4; ++j) ASSERT_EQ(w[i * 4 + j], t[j * 10 + i]);
  }
}

TEST(ViewTest, ARuleRewritesTheNamesInItsView) {
  Recipe recipe;
  recipe.tensors = {Bare("h.3.attn.qkv.weight", {12, 4}), Bare("h.11.attn.qkv.weight", {12, 4}),
                    Bare("wte", {5, 4}), Bare("head", {5, 4})};
  recipe.rules = {RuleOf("(h\\.\\d+)\\.attn\\.qkv\\.(\\w+)", Normal{}), RuleOf("wte", Normal{}),
                  RuleOf("he(a)d", std::nullopt)};
  recipe.rules[0].view =
      ConcatOf({PartNamed("\\1.q.\\2"), PartNamed("\\1.k.\\2"), PartNamed("\\0.v")});
  recipe.rules[2].view = View{TiedTo{"wte"}, {}};
  const ModelPlan plan = MustResolve(recipe);
  std::vector<std::string> names;
  for (const Draw& draw : plan.draws) names.push_back(draw.name);
  EXPECT_THAT(names,
              ElementsAre("h.3.q.weight", "h.3.k.weight", "h.3.attn.qkv.weight.v", "h.11.q.weight",
                          "h.11.k.weight", "h.11.attn.qkv.weight.v", "wte"));
  EXPECT_EQ(plan.tensors[3].tied_to, 2);
  EXPECT_EQ(plan.tensors[3].rule, 2);
  // Expanded, the recipe stands on its own.
  const auto expanded = Expand(recipe);
  ASSERT_OK(expanded);
  EXPECT_EQ(MustResolve(expanded->recipe).fingerprint, plan.fingerprint);
  const auto again = Expand(expanded->recipe);
  ASSERT_OK(again);
  EXPECT_EQ(again->recipe, expanded->recipe);
}

TEST(ViewTest, APackedBiasTakesTheFansOfThePackedWeightPartByPart) {
  Recipe recipe;
  TensorSpec weight = Bare("qkv.weight", {12, 6}), bias = Bare("qkv.bias", {12});
  weight.view = ConcatOf({PartNamed("q.weight", 8), PartNamed("k.weight", 4)});
  bias.view = ConcatOf({PartNamed("q.bias", 8), PartNamed("k.bias", 4)});
  recipe.tensors = {weight, bias};
  recipe.rules = {RuleOf(".*weight", XavierUniform{}), RuleOf(".*bias", XavierUniform{})};
  recipe.rules[1].fan = FanGeometry{.fans_of = "weight"};
  const ModelPlan plan = MustResolve(recipe);
  for (std::size_t part = 0; part < 2; ++part) {
    EXPECT_EQ(plan.tensors[0].parts[part].fans, plan.tensors[1].parts[part].fans);
  }
  EXPECT_EQ(plan.tensors[1].parts[1].fans, (Fans{6, 4}));
}

TEST(ViewTest, TheFansOfATiedSiblingAreThoseOfItsShape) {
  Recipe recipe;
  TensorSpec bias = Spec("head.bias", {8}, LecunUniform{});
  bias.fan = FanGeometry{.fans_of = "weight"};
  TensorSpec packed = Viewed({8}, LecunUniform{}, ConcatOf({PartNamed("a", 3), PartNamed("b", 5)}));
  packed.name = "head.packed";
  packed.fan = bias.fan;
  for (const View& view : {View{TiedTo{"embed"}, {}}, TransposeOf({}, View{TiedTo{"embed"}, {}})}) {
    const bool transposed = std::holds_alternative<Transpose>(view.kind);
    recipe.tensors = {Spec("embed", transposed ? Shape{4, 8} : Shape{8, 4}, Normal{}),
                      Tied("head.weight", {8, 4}, view), bias, packed};
    const ModelPlan plan = MustResolve(recipe);
    EXPECT_EQ(plan.tensors[2].fans, (Fans{4, 8}));
    EXPECT_EQ(plan.tensors[3].parts[1].fans, (Fans{4, 8}));
  }
}

TEST(ViewTest, TheFingerprintKnowsTheLayout) {
  std::set<Fingerprint> fingerprints;
  const auto add = [&](const TensorSpec& spec) {
    return fingerprints.insert(MustResolve(spec, 1).fingerprint).second;
  };
  const ViewPart a = PartNamed("a"), b = PartNamed("b");
  EXPECT_TRUE(add(Spec("w", {4, 4}, Normal{})));
  EXPECT_TRUE(add(Viewed({4, 4}, Normal{}, TransposeOf())));
  EXPECT_TRUE(add(Viewed({4, 4}, Normal{}, ConcatOf({a, b}))));
  EXPECT_TRUE(add(Viewed({4, 4}, Normal{}, ConcatOf({b, a}))));
  EXPECT_TRUE(add(Viewed({4, 4}, Normal{}, ConcatOf({a, b}, 1))));
  EXPECT_TRUE(add(Viewed({4, 4}, Normal{}, ConcatOf({a, b}, 0, 2))));
  EXPECT_TRUE(add(Viewed({4, 4}, Normal{}, ZeroRows({Range{1, 1, {}}}))));
  // A view that moves nothing is no view.
  EXPECT_FALSE(add(Viewed({4, 4}, Normal{}, TransposeOf({0, 1}))));
  EXPECT_FALSE(add(Viewed({4, 4}, Normal{}, ZeroRows({Range{1, 0, {}}}))));
}

// What views cost.
// ----------------------------------------------------------------------------

TEST(ViewCostTest, ASliceDrawsNothingOfWhatItDoesNotTouch) {
  // The first part could not be made on any machine.
  const std::int64_t big = std::int64_t{1} << 20;
  ViewPart huge = PartNamed("huge", big), small = PartNamed("small", 4);
  huge.init = Orthogonal{};
  const ModelPlan plan = MustResolve(Viewed({big + 4, big}, Normal{}, ConcatOf({huge, small})), 1);
  Box box{std::vector<Range>(2)};
  box.dims[0] = {big, 4, {}};
  box.dims[1] = {big - 9, 9, {}};
  const auto bound = Bind(plan, {.name = "w", .slice = box}, "s");
  ASSERT_OK(bound);
  const ModelPlan alone = MustResolve(Spec("small", {4, big}, Normal{}), 1);
  Box same = box;
  same.dims[0].start = 0;
  const auto part = Bind(alone, {.name = "small", .slice = same}, "s");
  ASSERT_OK(part);
  EXPECT_EQ(BytesOf(EngineOf(1), plan, *bound), BytesOf(EngineOf(1), alone, *part));
}

TEST(ViewCostTest, TheEndOfAnEnormousTransposedTensorIsReachedAtOnce) {
  const std::int64_t big = std::int64_t{1} << 31;
  TensorSpec spec = Viewed({big, 2 * big - 1}, Uniform{}, TransposeOf(), DType::kFloat8E5M2);
  const ModelPlan plan = MustResolve(spec, 1);
  const auto last = Bind(plan, {.name = "w", .slice = Range{big * (2 * big - 1) - 3, {}, {}}}, "s");
  ASSERT_OK(last);
  const auto bytes = BytesOf(EngineOf(1), plan, *last);
  const ModelPlan draw =
      MustResolve(Spec("w", {2 * big - 1, big}, Uniform{}, DType::kFloat8E5M2), 1);
  for (std::int64_t k = 0; k < 3; ++k) {
    Box box{std::vector<Range>(2)};
    box.dims[0] = {2 * big - 4 + k, 1, {}};
    box.dims[1] = {big - 1, 1, {}};
    const auto one = Bind(draw, {.name = "w", .slice = box}, "s");
    ASSERT_OK(one);
    EXPECT_EQ(BytesOf(EngineOf(1), draw, *one)[0], bytes[static_cast<std::size_t>(k)]);
  }
}

TEST(ViewCostTest, MatricesCountWhereTheirRowsOverlap) {
  const auto check = [](const TensorSpec& spec, std::int64_t allowed) {
    const ModelPlan plan = MustResolve(spec);
    return CheckLimits(plan, SelectAll(plan), {.max_matrix_bytes = allowed}).ok();
  };
  const ModelPlan one = MustResolve(Spec("w", {64, 64}, Orthogonal{}));
  std::int64_t bytes = 1;
  while (!CheckLimits(one, SelectAll(one), {.max_matrix_bytes = bytes}).ok()) ++bytes;
  const TensorSpec stacked = Viewed({8, 64, 64}, Orthogonal{}, StackOf(PartNamed("e.{}")));
  EXPECT_TRUE(check(stacked, bytes));  // one after the other
  EXPECT_FALSE(check(stacked, bytes - 1));
  const TensorSpec side_by_side =
      Viewed({64, 128}, Orthogonal{}, ConcatOf({PartNamed("a"), PartNamed("b")}, 1));
  EXPECT_FALSE(check(side_by_side, 2 * bytes - 1));
  EXPECT_TRUE(check(side_by_side, 2 * bytes));
}

TEST(ViewCostTest, AViewOfMoreThanAnyModelIsRefusedBeforeItTakesMemory) {
  const std::int64_t big = std::int64_t{1} << 40;
  EXPECT_THAT(ResolveTensor(Viewed({big, 4}, Normal{}, StackOf(PartNamed("e.{}"))), 0),
              IsInvalid("tensor.view.stack", "more than 262144 pieces"));
  EXPECT_THAT(
      ResolveTensor(Viewed({big}, Normal{}, ConcatOf({PartNamed("a"), PartNamed("b")}, 0, big / 2)),
                    0),
      IsInvalid("tensor.view.concat.parts[0]", "more than 262144 pieces"));
  EXPECT_THAT(ResolveTensor(Viewed({big, 4}, Normal{}, ZeroRows({Range{0, {}, 2}})), 0),
              IsInvalid("tensor.view.zero_rows[0]", "single rows"));
  // All views of a model together.
  Recipe recipe;
  for (int i = 0; i < 4; ++i) {
    TensorSpec spec =
        Viewed({100'000}, Normal{}, StackOf(PartNamed("e" + std::to_string(i) + ".{}")));
    spec.name = "w" + std::to_string(i);
    recipe.tensors.push_back(spec);
  }
  EXPECT_THAT(Resolve(recipe), IsInvalid("tensors[1].view.stack", "pieces"));
}

TEST(ViewPlanTest, ManyPartsAreListedUpToAHandful) {
  const ModelPlan plan =
      MustResolve(Viewed({100, 3, 4}, KaimingNormal{}, StackOf(PartNamed("e.{}"))));
  EXPECT_EQ(plan.tensors[0].num_draws, 100);
  EXPECT_EQ(plan.tensors[0].parts.size(), TensorPlan::kMostParts);
  EXPECT_EQ(plan.draws[static_cast<std::size_t>(plan.tensors[0].parts[63].draw)].name, "e.63");
  EXPECT_THAT(plan.tensors[0].why, HasSubstr("100 parts; the first, \"e.0\": fan_in = 4"));
}

TEST(ViewPlanTest, PartsThatAllSayTheirInitNeedNoOther) {
  ViewPart a = PartNamed("a"), b = PartNamed("b");
  a.init = Normal{};
  b.init = XavierUniform{};
  TensorSpec spec = Viewed({8, 4}, Normal{}, ConcatOf({a, b}));
  const std::vector<std::byte> expected = WholeOf(spec);
  spec.init.reset();
  const ModelPlan plan = MustResolve(spec);
  EXPECT_EQ(WholeOf(plan), expected);
  EXPECT_THAT(plan.tensors[0].why, HasSubstr("; \"b\": "));
  b.init.reset();
  spec.view = ConcatOf({a, b});
  EXPECT_THAT(ResolveTensor(spec, 0),
              test::FailsWith(absl::StatusCode::kFailedPrecondition, "tensor", "has no init"));
}

TEST(ViewPlanTest, AMixtureExpectsTheMomentsOfAllItsElements) {
  ViewPart wide = PartNamed("wide", 30), narrow = PartNamed("narrow", 10);
  wide.init = Normal{.mean = 1, .std = 2};
  narrow.init = Uniform{-3, -1};
  const ModelPlan plan = MustResolve(Viewed({40}, Normal{}, ConcatOf({wide, narrow})));
  EXPECT_DOUBLE_EQ(plan.tensors[0].expected.mean, (30 * 1 + 10 * -2) / 40.0);
  const double square = (30 * (4 + 1) + 10 * (1 / 3.0 + 4)) / 40;
  EXPECT_NEAR(plan.tensors[0].expected.std, std::sqrt(square - 0.25 * 0.25), 1e-12);
}

}  // namespace
}  // namespace weightinit
