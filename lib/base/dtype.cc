#include "weightinit/dtype.h"

#include <array>
#include <string>

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

const Row& RowOf(DType dtype) { return kRows[static_cast<std::size_t>(dtype) - 1]; }

}  // namespace

std::span<const DType> AllDTypes() { return kDTypes; }
std::int64_t SizeBytes(DType dtype) { return RowOf(dtype).size_bytes; }
bool IsFloatingPoint(DType dtype) { return RowOf(dtype).floating; }
std::string_view Name(DType dtype) { return RowOf(dtype).name; }

absl::StatusOr<DType> ParseDType(std::string_view text) {
  const std::string upper = ToUpper(text);
  std::vector<std::string> names;
  for (const Row& row : kRows) {
    if (row.name == upper) return row.dtype;
    names.emplace_back(row.name);
  }
  return FieldError("dtype", Quote(text) + " is not a dtype; allowed: " + Join(names, ", "));
}

}  // namespace weightinit
