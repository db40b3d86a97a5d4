// Why a server that is well takes no call just now, in words for people and details for programs.
#ifndef WEIGHTINIT_SERVER_REFUSALS_H_
#define WEIGHTINIT_SERVER_REFUSALS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace weightinit::server {

// RESOURCE_EXHAUSTED, SERVER_BUSY: what the limit bounds is taken ("all 4 streams are taken"), and
// will be free again. `limit` is its name, "max_streams"; the flag that sets it has the same,
// unless `flag` says otherwise.
absl::Status Busy(const std::string& what, const std::string& limit, std::int64_t value);
absl::Status Busy(const std::string& what, const std::string& limit, std::int64_t value,
                  const std::string& flag);

// UNAUTHENTICATED: the call brings no token of ours.
absl::Status Unauthenticated();

// ABORTED: its reader took nothing for --stream-idle-timeout.
absl::Status ReaderIsStuck();

// UNAVAILABLE, DRAINING.
absl::Status Draining();

// "--max-streams" of "max_streams".
std::string FlagOf(const std::string& limit);

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_REFUSALS_H_
