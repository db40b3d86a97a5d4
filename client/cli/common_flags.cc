#include "client/cli/common_flags.h"

#include <CLI/App.hpp>
#include <cstdint>
#include <string>

#include "client/cli/flag_value.h"
#include "weightinit/engine.h"

namespace weightinit::client {

void AddServerFlags(CLI::App& app, CommonFlags& flags) {
  const char* group = "Server";
  app.add_option("--server", flags.remote.target,
                 "ask this server: host:port or unix:/path; or several in turn: dns:///name:port "
                 "(its addresses) or 10.0.0.1:50051,10.0.0.2:50051 [default: in this process]")
      ->type_name("TARGET")
      ->envname("WEIGHTINIT_SERVER")
      ->check(NonEmpty())
      ->group(group);
  AddNumber<double>(app, "--timeout", flags.timeout_seconds,
                    "give a call up after this long [default: never]", 0, 1e9)
      ->type_name("SECONDS")
      ->group(group);
  AddNumber<int>(app, "--connections", flags.remote.connections,
                 "fetch what is large over this many connections at once [default: 1 to 4, by size "
                 "and processors]",
                 1, 64)
      ->type_name("N")
      ->group(group);
  AddNumber<double>(app, "--retry-for", flags.retry_for_seconds,
                    "wait for a busy server, and when a connection breaks go on where it was if "
                    "the server or another is back within this [default: 60]; 0: give up at once",
                    0, 1e9)
      ->type_name("SECONDS")
      ->group(group);
  app.add_flag("--tls", flags.remote.tls, "encrypt; implied by the other --tls flags")
      ->group(group);
  app.add_option("--tls-ca", flags.remote.ca_file,
                 "certificates that the server's must descend from [default: the system's]")
      ->type_name("PEM")
      ->group(group);
  app.add_option("--tls-cert", flags.remote.cert_file, "our own certificate, with --tls-key")
      ->type_name("PEM")
      ->group(group);
  app.add_option("--tls-key", flags.remote.key_file, "its private key")
      ->type_name("PEM")
      ->group(group);
  app.add_option("--token-file", flags.remote.token_file,
                 "file with the bearer token that the server wants, and nothing else")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--tls-server-name", flags.remote.server_name,
                 "the name in the server's certificate, where it is not the target's")
      ->type_name("NAME")
      ->group(group);
}

void AddProcessFlags(CLI::App& app, CommonFlags& flags) {
  const char* group = "In this process";
  AddNumber<int>(app, "--threads", flags.threads, "threads that draw [default: one per processor]",
                 0, 1024)
      ->group(group);
  AddNumber<std::int64_t>(app, "--max-matrix-bytes", flags.max_matrix_bytes,
                          "largest matrix that is made whole, for orthogonal and sparse tensors "
                          "[default: 4294967296]",
                          0)
      ->type_name("BYTES")
      ->group(group);
}

void AddCommonFlags(CLI::App& app, CommonFlags& flags) {
  const char* group = "Common";
  app.add_flag("--json", flags.json, "print one JSON object")->group(group);
  app.add_flag("-q,--quiet", flags.quiet, "no progress bar, notes or warnings")->group(group);
  app.set_version_flag("--version", "weightinit " + std::string(Version()))->group(group);
}

}  // namespace weightinit::client
