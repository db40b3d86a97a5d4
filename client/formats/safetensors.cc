#include "client/formats/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <set>
#include <utility>

#include "client/formats/safetensors_json.h"
#include "nlohmann/json.hpp"

namespace weightinit::client {
namespace {

constexpr std::string_view kMetadataName = "__metadata__";
constexpr std::int64_t kLengthBytes = 8;

struct FormatDType {
  std::string_view name;
  int bits;
  std::optional<DType> dtype;
};

// Every type of the format in the reference's order, which is that of alignment: the writer sorts
// by it, descending.
constexpr FormatDType kFormatDTypes[] = {
    {"BOOL", 8, DType::kBool},          {"F4", 4, std::nullopt},
    {"F6_E2M3", 6, std::nullopt},       {"F6_E3M2", 6, std::nullopt},
    {"U8", 8, DType::kUInt8},           {"I8", 8, std::nullopt},
    {"F8_E5M2", 8, DType::kFloat8E5M2}, {"F8_E4M3", 8, DType::kFloat8E4M3FN},
    {"F8_E8M0", 8, std::nullopt},       {"F8_E4M3FNUZ", 8, std::nullopt},
    {"F8_E5M2FNUZ", 8, std::nullopt},   {"I16", 16, std::nullopt},
    {"U16", 16, std::nullopt},          {"F16", 16, DType::kFloat16},
    {"BF16", 16, DType::kBFloat16},     {"I32", 32, DType::kInt32},
    {"U32", 32, std::nullopt},          {"F32", 32, DType::kFloat32},
    {"C64", 64, std::nullopt},          {"F64", 64, DType::kFloat64},
    {"I64", 64, DType::kInt64},         {"U64", 64, std::nullopt},
};

const FormatDType* FindDType(std::string_view name) {
  const auto* found = std::find_if(std::begin(kFormatDTypes), std::end(kFormatDTypes),
                                   [name](const FormatDType& known) { return known.name == name; });
  return found == std::end(kFormatDTypes) ? nullptr : found;
}

const FormatDType* FindDType(DType dtype) {
  return std::find_if(std::begin(kFormatDTypes), std::end(kFormatDTypes),
                      [dtype](const FormatDType& known) { return known.dtype == dtype; });
}

absl::Status Invalid(std::string_view file, std::string_view name, std::string_view what) {
  std::string message = std::string(file) + ": ";
  if (!name.empty()) message += "tensor " + nlohmann::json(name).dump() + ": ";
  return absl::InvalidArgumentError(message.append(what));
}

// Bytes of a tensor; nullopt where they overflow or do not fill the last one.
std::optional<std::int64_t> NumBytes(const Shape& shape, int bits) {
  std::int64_t total = bits;
  bool overflow = false;
  for (const std::int64_t dim : shape) {
    overflow = __builtin_mul_overflow(total, dim, &total) || overflow;
  }
  if (overflow || total % 8 != 0) return std::nullopt;
  return total / 8;
}

}  // namespace

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view json,
                                                         std::int64_t file_bytes,
                                                         std::string_view file) {
  if (!json.starts_with('{')) return Invalid(file, "", "the header does not begin with '{'");
  absl::StatusOr<RawSafetensorsHeader> raw = ParseSafetensorsJson(json);
  if (!raw.ok()) return Invalid(file, "", std::string(raw.status().message()));

  const std::int64_t data_start = kLengthBytes + static_cast<std::int64_t>(json.size());
  const std::int64_t data_bytes = file_bytes - data_start;
  SafetensorsHeader header;
  header.metadata = std::move(raw->metadata);
  header.tensors.reserve(raw->tensors.size());
  for (RawSafetensorsTensor& tensor : raw->tensors) {
    const FormatDType* dtype = FindDType(tensor.dtype);
    if (dtype == nullptr) return Invalid(file, tensor.name, "unknown dtype '" + tensor.dtype + "'");
    const std::optional<std::int64_t> bytes = NumBytes(tensor.shape, dtype->bits);
    if (!bytes.has_value()) {
      return Invalid(file, tensor.name, "its size overflows or does not fill whole bytes");
    }
    if (tensor.begin > tensor.end || tensor.end - tensor.begin != *bytes) {
      return Invalid(file, tensor.name,
                     "data_offsets [" + std::to_string(tensor.begin) + ", " +
                         std::to_string(tensor.end) + "] do not hold the " +
                         std::to_string(*bytes) + " bytes of its shape");
    }
    if (tensor.end > data_bytes) {
      return Invalid(file, tensor.name, "its bytes lie beyond the end of the file");
    }
    header.tensors.push_back({std::move(tensor.name), std::move(tensor.dtype), dtype->dtype,
                              std::move(tensor.shape), data_start + tensor.begin,
                              data_start + tensor.end});
  }

  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
                     return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
                   });
  std::int64_t next = data_start;
  for (const SafetensorsTensor& tensor : header.tensors) {
    if (tensor.begin != next) {
      return Invalid(file, tensor.name,
                     tensor.begin > next ? "a hole before its bytes"
                                         : "its bytes overlap those of another tensor");
    }
    next = tensor.end;
  }
  if (next != file_bytes) {
    return Invalid(file, "", std::to_string(file_bytes - next) + " bytes after the last tensor");
  }
  return header;
}

absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};
  struct stat info {};
  if (::fstat(fd, &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (!S_ISREG(info.st_mode)) return Invalid(path, "", "is not a plain file");

  const auto read_exactly = [fd](char* out, std::size_t size, off_t offset) {
    while (size > 0) {
      const ssize_t count = ::pread(fd, out, size, offset);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      out += count;
      size -= static_cast<std::size_t>(count);
      offset += count;
    }
    return true;
  };
  unsigned char length_bytes[kLengthBytes];
  if (!read_exactly(reinterpret_cast<char*>(length_bytes), sizeof length_bytes, 0)) {
    return Invalid(path, "", "is too short to be a safetensors file");
  }
  std::uint64_t length = 0;
  for (int i = kLengthBytes - 1; i >= 0; --i) length = length << 8 | length_bytes[i];
  char first = 0;
  if (!read_exactly(&first, 1, kLengthBytes) || first != '{') {
    return Invalid(path, "", "is not a safetensors file");
  }
  if (length > kMaxSafetensorsHeaderBytes) {
    return Invalid(path, "",
                   "a header of " + std::to_string(length) + " bytes; the format allows " +
                       std::to_string(kMaxSafetensorsHeaderBytes));
  }
  if (static_cast<std::int64_t>(length) > info.st_size - kLengthBytes) {
    return Invalid(path, "", "the header reaches beyond the end of the file");
  }
  std::string json(length, '\0');
  if (!read_exactly(json.data(), json.size(), kLengthBytes)) {
    return Invalid(path, "", "its header cannot be read");
  }
  return ParseSafetensorsHeader(json, info.st_size, path);
}

absl::StatusOr<Recipe> ManifestOf(const SafetensorsHeader& header, std::string_view file) {
  Recipe recipe;
  recipe.tensors.reserve(header.tensors.size());
  for (const SafetensorsTensor& tensor : header.tensors) {
    if (!tensor.dtype.has_value()) {
      return Invalid(file, tensor.name, "dtype " + tensor.dtype_name + " cannot be drawn");
    }
    TensorSpec& spec = recipe.tensors.emplace_back();
    spec.name = tensor.name;
    spec.shape = tensor.shape;
    spec.dtype = tensor.dtype;
  }
  return recipe;
}

std::string_view SafetensorsName(DType dtype) { return FindDType(dtype)->name; }

absl::StatusOr<SafetensorsLayout> LayOutSafetensors(
    std::span<const SafetensorsEntry> entries, const std::map<std::string, std::string>& metadata) {
  std::vector<std::size_t> order(entries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&entries](std::size_t a, std::size_t b) {
    const FormatDType* dtype_a = FindDType(entries[a].dtype);
    const FormatDType* dtype_b = FindDType(entries[b].dtype);
    if (dtype_a != dtype_b) return dtype_a > dtype_b;
    return entries[a].name < entries[b].name;
  });

  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  SafetensorsLayout layout;
  try {  // dump() throws for what is not UTF-8
    // Some readers break on empty metadata, so none is written (fastsafetensors#89).
    std::string text = "{";
    if (!metadata.empty()) {
      text += "\"__metadata__\":" + nlohmann::ordered_json(metadata).dump();
    }
    layout.offsets.resize(entries.size());
    std::int64_t offset = 0;
    std::set<std::string_view> names;
    for (const std::size_t index : order) {
      const SafetensorsEntry& entry = entries[index];
      if (entry.name == kMetadataName || !names.insert(entry.name).second) {
        return absl::InvalidArgumentError("a safetensors file cannot hold " +
                                          std::string(entry.name == kMetadataName ? "a" : "two") +
                                          " tensor named '" + entry.name + "'");
      }
      const std::optional<std::int64_t> bytes = NumBytes(entry.shape, FindDType(entry.dtype)->bits);
      std::int64_t end = 0;
      if (!bytes.has_value() || __builtin_add_overflow(offset, *bytes, &end)) {
        return absl::InvalidArgumentError("tensor '" + entry.name + "': its size overflows");
      }
      nlohmann::ordered_json tensor;
      tensor["dtype"] = SafetensorsName(entry.dtype);
      tensor["shape"] = entry.shape;
      tensor["data_offsets"] = {offset, end};
      if (text.size() > 1) text += ',';
      text += nlohmann::json(entry.name).dump() + ':' + tensor.dump();
      layout.offsets[index] = offset;
      offset = end;
    }
    text += '}';
    // Data that begins at a multiple of 8 keeps every type aligned; only spaces at the end may pad.
    text.resize((text.size() + 7) / 8 * 8, ' ');
    if (text.size() > kMaxSafetensorsHeaderBytes) {
      return absl::InvalidArgumentError("a safetensors header of " + std::to_string(text.size()) +
                                        " bytes; the format allows " +
                                        std::to_string(kMaxSafetensorsHeaderBytes));
    }
    for (int i = 0; i < kLengthBytes; ++i) {
      layout.head += static_cast<char>(text.size() >> (8 * i) & 0xff);
    }
    layout.head += text;
    layout.file_bytes = offset;
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(std::string("a name is not UTF-8: ") + error.what());
  }
  const auto data_start = static_cast<std::int64_t>(layout.head.size());
  for (std::int64_t& offset : layout.offsets) offset += data_start;
  layout.file_bytes += data_start;
  return layout;
}

}  // namespace weightinit::client
