// Answers what JAX_THREEFRY draws, for tests that ask jax the same.
//
// Standard input holds one JSON object per line:
//
//   {"call": "key", "seed": 1, "fold_in": [2, 3]}
//   {"call": "split", "key": [0, 1], "layout": "PARTITIONABLE", "count": 3}
//   {"call": "bits", "key": […], "layout": …, "bits": 32, "n": 5}
//   {"call": "uniform", …, "n": 5, "minval": 0, "maxval": 1}
//   {"call": "normal", …, "n": 5}      {"call": "truncated_normal", …, "lower": -2, "upper": 2}
//
// The answer is {"bytes": n} and n raw bytes: words, or binary32.
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "lib/source/jax_threefry/random.h"

namespace weightinit::jax_threefry {
namespace {

using nlohmann::json;

template <class T>
void Write(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  std::cout << json{{"bytes", bytes.size()}}.dump() << '\n';
  std::cout.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
}

void Answer(const json& question) {
  const std::string call = question.at("call");
  if (call == "key") {
    Key key = KeyOf(question.at("seed").get<std::uint64_t>());
    for (const std::uint32_t data : question.at("fold_in")) key = FoldIn(key, data);
    return Write(std::vector<std::uint32_t>{key.first, key.second});
  }
  const Key key{question.at("key").at(0), question.at("key").at(1)};
  const Layout layout =
      question.at("layout") == "LEGACY" ? Layout::kLegacy : Layout::kPartitionable;
  if (call == "split") {
    std::vector<std::uint32_t> keys;
    const std::uint64_t count = question.at("count");
    for (std::uint64_t i = 0; i < count; ++i) {
      const Key one = Split(key, layout, count, i);
      keys.insert(keys.end(), {one.first, one.second});
    }
    return Write(keys);
  }
  const std::uint64_t n = question.at("n");
  const Array array{key, layout, n};
  if (call == "bits" && question.at("bits") == 64) {
    std::vector<std::uint64_t> values(n);
    DrawBits64(array, 0, values);
    return Write(values);
  }
  if (call == "bits") {
    std::vector<std::uint32_t> values(n);
    DrawBits(array, question.at("bits"), 0, values);
    return Write(values);
  }
  std::vector<float> values(n);
  if (call == "uniform") {
    DrawUniform(array, question.at("minval"), question.at("maxval"), 0, values);
  } else if (call == "normal") {
    DrawNormal(array, 0, values);
  } else {
    DrawTruncatedNormal(array, question.at("lower"), question.at("upper"), 0, values);
  }
  Write(values);
}

}  // namespace
}  // namespace weightinit::jax_threefry

int main() {
  for (std::string line; std::getline(std::cin, line); std::cout.flush())
    weightinit::jax_threefry::Answer(nlohmann::json::parse(line));
}
