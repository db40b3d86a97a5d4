// What torch 1.13 drew, from tests/golden/torch_1_13.json: the values, and the generator after
// them. Layers and initializers with fans are in tests/unit/lib/torch_cpu_plan_test.cc.
#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "lib/base/sha256.h"
#include "lib/source/torch_cpu/fill.h"
#include "lib/source/torch_cpu/trunc_normal.h"
#include "weightinit/plan.h"

namespace weightinit::torch_cpu {
namespace {

using nlohmann::json;

struct Values {
  std::int64_t n = 0;
  DType dtype = DType::kFloat32;
  std::vector<std::byte> bytes;
};

Values ValuesFor(const json& call) {
  Values values;
  values.n = 1;
  for (const std::int64_t dim : call.at("shape")) values.n *= dim;
  values.dtype = *ParseDType(call.at("dtype").get<std::string>());
  values.bytes.resize(static_cast<std::size_t>(values.n * SizeBytes(values.dtype)));
  return values;
}

// What the file holds of a tensor.
void ExpectEqual(const Values& values, const json& golden, const std::string& what) {
  const std::string_view bytes(reinterpret_cast<const char*>(values.bytes.data()),
                               values.bytes.size());
  EXPECT_EQ(ToHex(Sha256(bytes)), golden.at("sha256").get<std::string>()) << what;
}

// The file names no parameters of the channels_last case's order: memory NHWC, listed NCHW.
Values FromNhwc(const Values& drawn, const json& shape) {
  const std::size_t n = shape[0], c = shape[1], h = shape[2], w = shape[3];
  Values logical = drawn;
  const auto size = static_cast<std::size_t>(SizeBytes(drawn.dtype));
  std::size_t to = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < c; ++j) {
      for (std::size_t k = 0; k < h * w; ++k, ++to)
        std::copy_n(
            drawn.bytes.begin() + static_cast<std::ptrdiff_t>(((i * h * w + k) * c + j) * size),
            size, logical.bytes.begin() + static_cast<std::ptrdiff_t>(to * size));
    }
  }
  return logical;
}

Values Draw(const json& call, const Dialect& dialect, Generator& generator) {
  const std::string name = call.at("call");
  Values values = ValuesFor(call);
  std::byte* const out = values.bytes.data();
  const json params = call.contains("params") ? call.at("params") : json::object();
  const auto number = [&](const char* key, std::size_t arg) -> double {
    return params.contains(key) ? params.at(key) : call.at("args").at(arg);
  };
  if (name == "uniform_") {
    FillUniform(generator, dialect, {.from = number("from", 0), .to = number("to", 1)},
                values.dtype, values.n, out);
  } else if (name == "normal_") {
    const NormalFill fill{.mean = number("mean", 0), .std = number("std", 1)};
    if (params.contains("memory_format")) {
      DrawSerialNormal(generator, dialect, fill, values.dtype, values.n, out);
      return FromNhwc(values, call.at("shape"));
    }
    FillNormal(generator, dialect, fill, values.dtype, values.n, out);
  } else if (name == "trunc_normal_") {
    FillWords words(generator.words);
    DrawTruncNormalByInverse(words, dialect,
                             {.mean = params.at("mean"),
                              .std = params.at("std"),
                              .a = params.at("a"),
                              .b = params.at("b")},
                             values.dtype, 0, values.n, out);
    generator.words = words.words();
  } else if (name == "sparse_") {
    const std::int64_t rows = call.at("shape")[0], cols = call.at("shape")[1];
    FillNormal(generator, dialect, {.mean = 0, .std = params.at("std")}, values.dtype, values.n,
               out);
    const auto zeros =
        static_cast<std::int64_t>(std::ceil(params.at("sparsity").get<double>() * double(rows)));
    const auto picked = SparseZeroRows(generator, rows, cols, zeros);
    for (std::size_t i = 0; i < picked.size(); ++i) {
      const std::int64_t column = static_cast<std::int64_t>(i) / zeros;
      std::fill_n(out + (std::int64_t{picked[i]} * cols + column) * 4, 4, std::byte{0});
    }
  } else {
    ADD_FAILURE() << name;
  }
  return values;
}

json Cases() {
  std::ifstream file(WEIGHTINIT_SOURCE_DIR "/tests/golden/torch_1_13.json");
  return json::parse(file).at("cases");
}

class Golden : public ::testing::TestWithParam<Variant> {
 protected:
  Dialect dialect() const { return {GetParam(), {1, 13}}; }
  // The part of a case that holds this variant's values.
  const json& Of(const json& one) const {
    return GetParam() == Variant::kDefault && one.contains("default_capability")
               ? one.at("default_capability")
               : one;
  }
};

TEST_P(Golden, Fills) {
  int tested = 0;
  for (const json& one : Cases()) {
    const std::string call = one.at("call");
    if (call != "uniform_" && call != "normal_" && call != "trunc_normal_" && call != "sparse_")
      continue;
    const std::string what = "case " + one.at("id").dump() + " " + call;
    Generator generator = Seeded(static_cast<std::uint64_t>(
        one.at("seed").is_number_unsigned()
            ? one.at("seed").get<std::uint64_t>()
            : static_cast<std::uint64_t>(one.at("seed").get<std::int64_t>())));
    const Values values = Draw(one, dialect(), generator);
    ExpectEqual(values, Of(one), what);
    for (const std::uint32_t next : one.at("next_two_draws_and_0x7fffffff"))
      EXPECT_EQ(generator.words.Next() & 0x7FFFFFFF, next) << what;
    ++tested;
  }
  EXPECT_EQ(tested, 56);
}

TEST_P(Golden, Sequence) {
  for (const json& one : Cases()) {
    if (one.at("call") != "sequence") continue;
    Generator generator = Seeded(one.at("seed"));
    const json& steps = Of(one).at("steps");
    EXPECT_EQ(steps.size(), 8u);
    for (const json& step : steps)
      ExpectEqual(Draw(step, dialect(), generator), step, "step " + step.dump());
  }
}

TEST_P(Golden, RandPerm) {
  for (const json& one : Cases()) {
    if (one.at("call") != "randperm") continue;
    Generator generator = Seeded(one.at("seed"));
    std::vector<std::uint32_t> permutation(one.at("shape")[0].get<std::size_t>());
    RandPerm(generator, permutation);
    EXPECT_EQ(permutation, one.at("values").get<std::vector<std::uint32_t>>());
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, Golden, ::testing::Values(Variant::kAvx2, Variant::kDefault),
                         [](const auto& test) {
                           return test.param == Variant::kAvx2 ? "avx2" : "default";
                         });

}  // namespace
}  // namespace weightinit::torch_cpu
