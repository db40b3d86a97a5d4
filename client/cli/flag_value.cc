#include "client/cli/flag_value.h"

#include <charconv>
#include <cstdint>
#include <sstream>
#include <type_traits>

#include "client/cli/exit_code.h"

namespace weightinit::client {
namespace {

// "010" is 8 to some and 10 to others.
bool HasLeadingZero(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';
}

}  // namespace

template <typename Number>
absl::StatusOr<Number> ParseNumber(std::string_view flag, std::string_view text, Number least,
                                   Number most) {
  Number number = 0;
  const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code == std::errc() && stop == text.data() + text.size() && !HasLeadingZero(text) &&
      number >= least && number <= most) {  // which nan is not
    return number;
  }
  std::ostringstream message;
  message << flag << ": '" << text << "' is not a ";
  if (std::is_integral_v<Number> || least != std::numeric_limits<Number>::lowest()) {
    message << (std::is_integral_v<Number> ? "whole number" : "number") << " from " << least
            << " to " << most;
  } else {
    message << "number";
  }
  std::int64_t negative = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), negative);
  if (std::is_unsigned_v<Number> && flag == "--seed" && error == std::errc() &&
      end == text.data() + text.size() && negative < 0) {
    message << "; torch.manual_seed takes " << negative << " for "
            << static_cast<std::uint64_t>(negative) << ", jax.random.key for "
            << static_cast<std::uint32_t>(negative);
  }
  return UsageError(message.str());
}

template absl::StatusOr<int> ParseNumber(std::string_view, std::string_view, int, int);
template absl::StatusOr<std::int64_t> ParseNumber(std::string_view, std::string_view, std::int64_t,
                                                  std::int64_t);
template absl::StatusOr<std::uint64_t> ParseNumber(std::string_view, std::string_view,
                                                   std::uint64_t, std::uint64_t);
template absl::StatusOr<double> ParseNumber(std::string_view, std::string_view, double, double);

CLI::Validator NonEmpty() {
  return CLI::Validator([](std::string& text) { return text.empty() ? "is empty" : std::string(); },
                        "");
}

}  // namespace weightinit::client
