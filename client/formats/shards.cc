#include "client/formats/shards.h"

#include <charconv>
#include <cstdio>
#include <system_error>
#include <utility>

#include "nlohmann/json.hpp"

namespace weightinit::client {

absl::StatusOr<std::int64_t> ParseByteSize(std::string_view text) {
  static constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"", 1},
      {"B", 1},
      {"KB", 1'000},
      {"MB", 1'000'000},
      {"GB", 1'000'000'000},
      {"TB", 1'000'000'000'000},
      {"KIB", std::int64_t{1} << 10},
      {"MIB", std::int64_t{1} << 20},
      {"GIB", std::int64_t{1} << 30},
      {"TIB", std::int64_t{1} << 40}};
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  std::erase(unit, ' ');
  for (char& c : unit) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  for (const auto& [name, bytes] : kUnits) {
    std::int64_t size = 0;
    if (unit == name && code == std::errc() && number > 0 &&
        !__builtin_mul_overflow(number, bytes, &size)) {
      return size;
    }
  }
  return absl::InvalidArgumentError("'" + std::string(text) +
                                    "' is not a size, as in 5GB, 500MB, 2GiB");
}

std::vector<std::vector<std::size_t>> DivideIntoShards(std::span<const std::int64_t> num_bytes,
                                                       std::int64_t max_shard_bytes) {
  std::vector<std::vector<std::size_t>> shards;
  std::vector<std::size_t> filling;
  std::int64_t filled = 0;
  for (std::size_t i = 0; i < num_bytes.size(); ++i) {
    if (num_bytes[i] > max_shard_bytes) {
      shards.push_back({i});
      continue;
    }
    if (num_bytes[i] > max_shard_bytes - filled) {
      shards.push_back(std::exchange(filling, {}));
      filled = 0;
    }
    filling.push_back(i);
    filled += num_bytes[i];
  }
  if (!filling.empty() || shards.empty()) shards.push_back(std::move(filling));
  return shards;
}

std::string ShardName(std::size_t shard, std::size_t count) {
  if (count == 1) return "model.safetensors";
  char name[80];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", shard + 1, count);
  return name;
}

std::string ShardIndex(std::int64_t total_bytes, const std::map<std::string, std::string>& metadata,
                       const std::map<std::string, std::string>& file_of_tensor) {
  nlohmann::json json;  // sorts its keys
  json["metadata"] = metadata;
  json["metadata"]["total_size"] = total_bytes;
  json["weight_map"] = file_of_tensor;
  return json.dump(2) + "\n";
}

absl::StatusOr<std::map<std::string, std::string>> ParseShardIndex(std::string_view json,
                                                                   std::string_view file) {
  const auto error = [&](const std::string& what) {
    return absl::InvalidArgumentError(std::string(file) + ": " + what);
  };
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  const auto map = parsed.is_object() ? parsed.find("weight_map") : parsed.end();
  if (!parsed.is_object() || map == parsed.end() || !map->is_object()) {
    return error("is no index of a sharded checkpoint: {\"weight_map\": {TENSOR: FILE, …}, …}");
  }
  std::map<std::string, std::string> files;
  for (const auto& [tensor, name] : map->items()) {
    if (!name.is_string()) return error("tensor " + nlohmann::json(tensor).dump() + ": no file");
    const std::string text = name;
    // A file beside the index, whatever the index says.
    if (text.empty() || text.starts_with('.') || text.find('/') != std::string::npos ||
        text.find('\0') != std::string::npos) {
      return error(name.dump() + " is not the name of a file in the same directory");
    }
    files[tensor] = text;
  }
  return files;
}

}  // namespace weightinit::client
