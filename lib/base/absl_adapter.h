// Debian's Abseil has a string_view of its own; newer ones alias std's. Everything that crosses
// goes through here.
#ifndef WEIGHTINIT_LIB_BASE_ABSL_ADAPTER_H_
#define WEIGHTINIT_LIB_BASE_ABSL_ADAPTER_H_

#include <string_view>

#include "absl/strings/string_view.h"

namespace weightinit {

inline absl::string_view ToAbsl(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}

inline std::string_view ToStd(absl::string_view text) {
  return std::string_view(text.data(), text.size());
}

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_BASE_ABSL_ADAPTER_H_
