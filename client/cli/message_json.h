// What --json prints.
//
// One form for all commands: keys in camelCase; digests and subsequences are 16 hexadecimal digits,
// fingerprints 64; seeds are decimal text, since many readers lose the digits of numbers above
// 2^53; all other numbers are numbers.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_CLIENT_CLI_MESSAGE_JSON_H_
#define WEIGHTINIT_CLIENT_CLI_MESSAGE_JSON_H_

#include <string>

#include "google/protobuf/message.h"
#include "nlohmann/json.hpp"

namespace weightinit::client {

// A message of the API, with every field that has no presence: a script that reads `.count` finds 0
// there. NaN and infinities are text, as in protobuf's JSON.
nlohmann::ordered_json MessageJson(const google::protobuf::Message& message);

// Indented, with a newline at the end. What is not UTF-8 is replaced.
std::string JsonText(const nlohmann::ordered_json& json);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_MESSAGE_JSON_H_
