// A model in several safetensors files, as Hugging Face has it: which tensor goes into which file,
// what the files are called, and the index beside them.
//
//   model-00001-of-00002.safetensors  model-00002-of-00002.safetensors model.safetensors.index.json
//
// Guaranteed: the same shards, names and index as huggingface_hub's split_torch_state_dict
// (serialization/_base.py) for tensors in the same order. One shard is model.safetensors, without
// an index.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_FORMATS_SHARDS_H_
#define WEIGHTINIT_CLIENT_FORMATS_SHARDS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weightinit::client {

// Hugging Face's default, in decimal units as theirs.
inline constexpr std::int64_t kDefaultMaxShardBytes = 5'000'000'000;

inline constexpr std::string_view kIndexSuffix = ".safetensors.index.json";

// "5GB", "500 MB", "2GiB", "1000": decimal units, binary ones with an i, bytes without. Errors:
// INVALID_ARGUMENT.
absl::StatusOr<std::int64_t> ParseByteSize(std::string_view text);

// Indices of the tensors of each shard: one after the other until the next would go beyond the
// limit. A tensor is never cut; one above the limit has a shard of its own, which comes before the
// one that was being filled.
std::vector<std::vector<std::size_t>> DivideIntoShards(std::span<const std::int64_t> num_bytes,
                                                       std::int64_t max_shard_bytes);

// "model-00001-of-00003.safetensors" for 0 of 3; "model.safetensors" for 0 of 1.
std::string ShardName(std::size_t shard, std::size_t count);

// The index: sorted keys, two spaces, a newline at the end. `metadata` beside total_size.
std::string ShardIndex(std::int64_t total_bytes, const std::map<std::string, std::string>& metadata,
                       const std::map<std::string, std::string>& file_of_tensor);

// File of each tensor that an index names. Errors: INVALID_ARGUMENT, beginning with `file`: what is
// no index, and names of files that are paths.
absl::StatusOr<std::map<std::string, std::string>> ParseShardIndex(std::string_view json,
                                                                   std::string_view file);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_SHARDS_H_
