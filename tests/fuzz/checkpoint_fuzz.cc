// Headers of .safetensors files, indices of sharded checkpoints, and journals. The first byte says
// which.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "client/formats/journal.h"
#include "client/formats/safetensors.h"
#include "client/formats/shards.h"
#include "client/formats/stored_slices.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weightinit::client;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 3) {
    case 0: {
      const auto header = ParseSafetensorsHeader(text, 1 << 20, "fuzz");
      if (!header.ok()) return 0;
      static_cast<void>(ManifestOf(*header, "fuzz").ok());
      static_cast<void>(ParseStoredSlices(*header, "fuzz").ok());
      return 0;
    }
    case 1:
      static_cast<void>(ParseShardIndex(text, "fuzz").ok());
      return 0;
    default:
      static_cast<void>(ParseJournal(text, "identity", 100));
      return 0;
  }
}
