// Answers what TORCH_CPU's fills make, for tests that ask torch the same.
//
// Standard input holds one JSON object per line:
//
//   {"seed": 1, "variant": "AVX2", "version": "1.13", "state": "<hex>", "steps": [
//      {"call": "uniform", "dtype": "FLOAT32", "n": 5, "from": 0, "to": 1},
//      {"call": "normal", "dtype": "FLOAT32", "n": 5, "mean": 0, "std": 1, "serial": false},
//      {"call": "trunc_normal", …, "mean": 0, "std": 1, "a": -2, "b": 2},
//      {"call": "randperm", "n": 5},
//      {"call": "sparse_rows", "rows": 5, "cols": 3, "zeros": 2}]}
//
// The answer is {"bytes": n} and n raw bytes: the values of every step, then the generator's state
// as torch.get_rng_state() has it. "state" goes before "seed". A refusal is {"error": "message"}.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lib/source/torch_cpu/fill.h"
#include "lib/source/torch_cpu/trunc_normal.h"
#include "weightinit/dtype.h"

namespace weightinit::torch_cpu {
namespace {

using nlohmann::json;

Dialect DialectOf(const json& question) {
  const std::string variant = question.value("variant", "AVX2");
  const std::string version = question.value("version", "2.11");
  const std::size_t dot = version.find('.');
  return {.variant = variant == "AVX2_NOFMA"    ? Variant::kAvx2NoFma
                     : variant == "DEFAULT"     ? Variant::kDefault
                     : variant == "DEFAULT_FMA" ? Variant::kDefaultFma
                                                : Variant::kAvx2,
          .version = {.major = std::stoi(version), .minor = std::stoi(version.substr(dot + 1))}};
}

std::vector<std::byte> FromHex(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

template <class T>
void Append(const std::vector<T>& values, std::vector<std::byte>& bytes) {
  const auto more = std::as_bytes(std::span(values));
  bytes.insert(bytes.end(), more.begin(), more.end());
}

void Take(const json& step, const Dialect& dialect, Generator& generator,
          std::vector<std::byte>& bytes) {
  const std::string call = step.at("call");
  const std::int64_t n = step.value("n", std::int64_t{0});
  if (call == "randperm") {
    std::vector<std::uint32_t> permutation(static_cast<std::size_t>(n));
    RandPerm(generator, permutation);
    return Append(permutation, bytes);
  }
  if (call == "sparse_rows")
    return Append(SparseZeroRows(generator, step.at("rows"), step.at("cols"), step.at("zeros")),
                  bytes);
  const DType dtype = *ParseDType(step.at("dtype").get<std::string>());
  std::vector<std::byte> values(static_cast<std::size_t>(n * SizeBytes(dtype)));
  if (call == "uniform") {
    FillUniform(generator, dialect, {.from = step.at("from"), .to = step.at("to")}, dtype, n,
                values.data());
  } else if (call == "normal") {
    const NormalFill fill{.mean = step.at("mean"), .std = step.at("std")};
    if (step.value("serial", false)) {
      DrawSerialNormal(generator, dialect, fill, dtype, n, values.data());
    } else {
      FillNormal(generator, dialect, fill, dtype, n, values.data());
    }
  } else {
    const TruncNormalFill fill{
        .mean = step.at("mean"), .std = step.at("std"), .a = step.at("a"), .b = step.at("b")};
    if (dialect.since_2_12()) {
      DrawTruncNormalByRejection(generator, dialect, fill, dtype, n, values.data());
    } else {
      FillWords words(generator.words);
      DrawTruncNormalByInverse(words, dialect, fill, dtype, 0, n, values.data());
      generator.words = words.words();
    }
  }
  bytes.insert(bytes.end(), values.begin(), values.end());
}

void Answer(const json& question) {
  Generator generator = Seeded(question.value("seed", std::uint64_t{0}));
  if (question.contains("state")) {
    auto parsed = ParseState(FromHex(question.at("state")), "state");
    if (!parsed.ok()) {
      std::cout << json{{"error", std::string(parsed.status().message())}}.dump() << '\n';
      return;
    }
    generator = Generator(*parsed);
  }
  std::vector<std::byte> bytes;
  const Dialect dialect = DialectOf(question);
  for (const json& step : question.at("steps")) Take(step, dialect, generator, bytes);
  const auto state = SerializeState(StateOf(generator));
  bytes.insert(bytes.end(), state.begin(), state.end());
  std::cout << json{{"bytes", bytes.size()}}.dump() << '\n';
  std::cout.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
}

}  // namespace
}  // namespace weightinit::torch_cpu

int main() {
  for (std::string line; std::getline(std::cin, line); std::cout.flush())
    weightinit::torch_cpu::Answer(nlohmann::json::parse(line));
}
