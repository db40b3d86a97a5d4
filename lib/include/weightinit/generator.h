// Generators: where random words come from.
//
// Thread-safety: everything here is a pure function or a value.
#ifndef WEIGHTINIT_GENERATOR_H_
#define WEIGHTINIT_GENERATOR_H_

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/export.h"

namespace weightinit {

// The native one: an element is a function of seed, draw name and index (docs/philox-v1.md).
struct PhiloxV1 {
  friend bool operator==(const PhiloxV1&, const PhiloxV1&) = default;
};

// What torch's CPU generator would have drawn: one stream for the whole model, tensor after tensor
// (docs/torch-cpu.md).
struct TorchCpu {
  // The kernels that are replayed: builds of torch round differently. Numbered as in the API.
  enum class Variant : std::uint8_t {
    kAvx2 = 1,        // GCC builds with AVX2 or AVX-512, which fuse: Linux on x86-64
    kAvx2NoFma = 2,   // the same unfused: Windows and macOS on x86-64
    kDefault = 3,     // the portable kernels on x86-64: ATEN_CPU_CAPABILITY=default
    kDefaultFma = 4,  // the portable kernels, fused: Linux on aarch64
  };
  Variant variant = Variant::kAvx2;
  std::string torch_version;  // "1.13"; empty: 2.11
  std::string start_state;    // the 5056 bytes of torch.get_rng_state(); empty: the recipe's seed
  friend bool operator==(const TorchCpu&, const TorchCpu&) = default;
};

// What jax.random draws with its default implementation, on CPUs: every tensor under a key of its
// own (docs/jax-threefry.md). The key is jax.random.key(seed) of the tensor's seed, with `fold_in`
// folded in, then the tensor's subsequence if it has one. Only the low 32 bits of a seed matter.
struct JaxThreefry {
  // jax_threefry_partitionable. Numbered as in the API.
  enum class Layout : std::uint8_t {
    kPartitionable = 1,  // the default since jax 0.5
    kLegacy = 2,
  };
  Layout layout = Layout::kPartitionable;
  std::vector<std::uint32_t> fold_in;
  friend bool operator==(const JaxThreefry&, const JaxThreefry&) = default;
};

using Generator = std::variant<PhiloxV1, TorchCpu, JaxThreefry>;

// "philox_v1", "torch_cpu", "jax_threefry"
WEIGHTINIT_EXPORT std::string_view Name(const Generator& generator);

// "AVX2", "AVX2_NOFMA", "DEFAULT", "DEFAULT_FMA"
WEIGHTINIT_EXPORT std::string_view Name(TorchCpu::Variant variant);

// "PARTITIONABLE", "LEGACY"
WEIGHTINIT_EXPORT std::string_view Name(JaxThreefry::Layout layout);

// Reads NAME or NAME(parameter=value, …), as "torch_cpu(variant=DEFAULT, torch_version=1.13)" or
// "jax_threefry(layout=LEGACY, fold_in=3, fold_in=1)", in any case. A start state has no text.
// Errors: INVALID_ARGUMENT at `field`.
WEIGHTINIT_EXPORT absl::StatusOr<Generator> ParseGenerator(std::string_view text,
                                                           std::string_view field = "generator");
WEIGHTINIT_EXPORT absl::StatusOr<TorchCpu::Variant> ParseTorchVariant(std::string_view text,
                                                                      std::string_view field);
WEIGHTINIT_EXPORT absl::StatusOr<JaxThreefry::Layout> ParseJaxLayout(std::string_view text,
                                                                     std::string_view field);

struct TorchVersion {
  int major = 2, minor = 11;
  // NOLINTNEXTLINE(modernize-use-nullptr): finds a 0 in it
  friend auto operator<=>(const TorchVersion&, const TorchVersion&) = default;
};

// "1.0" to "1.13", "2.0" to "2.13"; empty: 2.11, the last before 16-bit types and trunc_normal_
// changed. Errors: INVALID_ARGUMENT at `field`.
WEIGHTINIT_EXPORT absl::StatusOr<TorchVersion> ParseTorchVersion(std::string_view text,
                                                                 std::string_view field);

}  // namespace weightinit

#endif  // WEIGHTINIT_GENERATOR_H_
