// "did you mean": the known word that is nearest to a mistyped one.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_CLIENT_FORMATS_NEAREST_H_
#define WEIGHTINIT_CLIENT_FORMATS_NEAREST_H_

#include <span>
#include <string>
#include <string_view>

namespace weightinit::client {

// The known word that the fewest insertions, deletions and replacements lead to; empty when that is
// more than a third of the word's letters, at least 2: such a hint would only confuse.
std::string_view Nearest(std::string_view word, std::span<const std::string_view> known);

// "; did you mean 'dtype'?", or "; known: a, b, c" when nothing is near.
std::string Hint(std::string_view word, std::span<const std::string_view> known);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_NEAREST_H_
