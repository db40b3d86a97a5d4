// Messages of the API as JSON, for --json.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_CLIENT_CLI_MESSAGE_JSON_H_
#define WEIGHTINIT_CLIENT_CLI_MESSAGE_JSON_H_

#include <string>

#include "google/protobuf/message.h"

namespace weightinit::client {

// protobuf's JSON mapping, as grpcurl and buf print it, with every field that has no presence: a
// script that reads `.seed` finds 0 there. No newline at the end.
std::string MessageJson(const google::protobuf::Message& message);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_MESSAGE_JSON_H_
