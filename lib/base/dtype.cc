#include "weightinit/dtype.h"

#include <array>
#include <string>
#include <utility>

#include "lib/base/text.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  std::int64_t size_bytes;
  bool floating;
};

constexpr std::array<Row, 10> kRows = {{
    {DType::kFloat32, "FLOAT32", 4, true},
    {DType::kBFloat16, "BFLOAT16", 2, true},
    {DType::kFloat16, "FLOAT16", 2, true},
    {DType::kFloat64, "FLOAT64", 8, true},
    {DType::kFloat8E4M3FN, "FLOAT8_E4M3FN", 1, true},
    {DType::kFloat8E5M2, "FLOAT8_E5M2", 1, true},
    {DType::kInt64, "INT64", 8, false},
    {DType::kInt32, "INT32", 4, false},
    {DType::kUInt8, "UINT8", 1, false},
    {DType::kBool, "BOOL", 1, false},
}};

constexpr auto kDTypes = [] {
  std::array<DType, kRows.size()> dtypes{};
  for (std::size_t i = 0; i < kRows.size(); ++i) dtypes[i] = kRows[i].dtype;
  return dtypes;
}();

// Spellings that people bring along from torch and its neighbours. "FLOAT" is torch's; NumPy's
// would be binary64.
constexpr std::array<std::pair<std::string_view, DType>, 10> kAliases = {{
    {"BF16", DType::kBFloat16},
    {"FP16", DType::kFloat16},
    {"F16", DType::kFloat16},
    {"HALF", DType::kFloat16},
    {"FP32", DType::kFloat32},
    {"F32", DType::kFloat32},
    {"FLOAT", DType::kFloat32},
    {"FP64", DType::kFloat64},
    {"F64", DType::kFloat64},
    {"DOUBLE", DType::kFloat64},
}};

const Row& RowOf(DType dtype) { return kRows[static_cast<std::size_t>(dtype) - 1]; }

}  // namespace

std::span<const DType> AllDTypes() { return kDTypes; }
std::int64_t SizeBytes(DType dtype) { return RowOf(dtype).size_bytes; }
bool IsFloatingPoint(DType dtype) { return RowOf(dtype).floating; }
std::string_view Name(DType dtype) { return RowOf(dtype).name; }

absl::StatusOr<DType> ParseDType(std::string_view text, std::string_view field) {
  constexpr std::string_view kTorch = "TORCH.";
  std::string upper = ToUpper(text);
  if (upper.starts_with(kTorch)) upper.erase(0, kTorch.size());
  for (const auto& [alias, dtype] : kAliases) {
    if (alias == upper) return dtype;
  }
  std::vector<std::string> names;
  for (const Row& row : kRows) {
    if (row.name == upper) return row.dtype;
    names.emplace_back(row.name);
  }
  return FieldError(field, Quote(text) + " is not a dtype; allowed: " + Join(names, ", "));
}

}  // namespace weightinit
