#include "lib/source/torch_cpu/generator.h"

#include <algorithm>

namespace weightinit::torch_cpu {

Generator::Generator(const State& state)
    : seed(state.seed), words(state.words, state.used), cached_normal(state.cached_normal) {}

State StateOf(const Generator& generator) {
  State state;
  state.seed = generator.seed;
  std::ranges::copy(generator.words.state(), state.words.begin());
  state.used = generator.words.used();
  state.cached_normal = generator.cached_normal;
  return state;
}

}  // namespace weightinit::torch_cpu
