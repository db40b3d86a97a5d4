// The flags that every command has, and those of commands that draw or ask a server.
#ifndef WEIGHTINIT_CLIENT_CLI_COMMON_FLAGS_H_
#define WEIGHTINIT_CLIENT_CLI_COMMON_FLAGS_H_

#include "client/cli/session.h"

namespace CLI {
class App;
}

namespace weightinit::client {

// `flags` must outlive the parsing.
void AddCommonFlags(CLI::App& app, CommonFlags& flags);
void AddServerFlags(CLI::App& app, CommonFlags& flags);
void AddProcessFlags(CLI::App& app, CommonFlags& flags);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_COMMON_FLAGS_H_
