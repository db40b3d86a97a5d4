#include "client/formats/nearest.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace weightinit::client {
namespace {

// Levenshtein's distance, one row at a time.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string_view Nearest(std::string_view word, std::span<const std::string_view> known) {
  // Longer words are no typing mistakes, and the distance costs their square.
  constexpr std::size_t kLongest = 64;
  if (word.size() > kLongest) return {};
  std::string_view nearest;
  std::size_t best = std::max(std::min<std::size_t>(2, word.size() / 2), word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    const std::size_t distance = Distance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string Hint(std::string_view word, std::span<const std::string_view> known) {
  if (const std::string_view nearest = Nearest(word, known); !nearest.empty()) {
    return "; did you mean '" + std::string(nearest) + "'?";
  }
  std::string hint;
  for (const std::string_view candidate : known) {
    hint += (hint.empty() ? "; known: " : ", ") + std::string(candidate);
  }
  return hint;
}

}  // namespace weightinit::client
