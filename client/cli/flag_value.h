// Values of flags, read strictly: CLI11 would wrap -1, saturate 2^64 and take 010 for octal.
//
//   AddNumber<std::uint64_t>(app, "--seed", seed_, "seed, any 64-bit number");
//   app.add_option("-o", output_, "a file")->check(NonEmpty());
#ifndef WEIGHTINIT_CLIENT_CLI_FLAG_VALUE_H_
#define WEIGHTINIT_CLIENT_CLI_FLAG_VALUE_H_

#include <CLI/App.hpp>
#include <limits>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace weightinit::client {

// A decimal number within the bounds, for std::int64_t, std::uint64_t, int and double. Errors:
// usage, naming the flag.
template <typename Number>
absl::StatusOr<Number> ParseNumber(std::string_view flag, std::string_view text,
                                   Number least = std::numeric_limits<Number>::lowest(),
                                   Number most = std::numeric_limits<Number>::max());

// An option that holds such a number. `target` must outlive the parsing.
template <typename Number, typename Target>
CLI::Option* AddNumber(CLI::App& app, const std::string& flag, Target& target,
                       const std::string& help,
                       Number least = std::numeric_limits<Number>::lowest(),
                       Number most = std::numeric_limits<Number>::max()) {
  const auto take = [&target, flag, least, most](const std::string& text) {
    const absl::StatusOr<Number> number = ParseNumber(flag, text, least, most);
    if (!number.ok()) throw CLI::ValidationError(std::string(number.status().message()));
    target = *number;
  };
  return app.add_option_function<std::string>(flag, take, help)->type_name("N");
}

// Refuses '', which is what a script passes whose variable is not set.
CLI::Validator NonEmpty();

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_FLAG_VALUE_H_
