// Text from files and servers, made safe to show.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_CLIENT_PRINTABLE_H_
#define WEIGHTINIT_CLIENT_PRINTABLE_H_

#include <string>
#include <string_view>

namespace weightinit::client {

// Control characters and what is not UTF-8 as \xNN: a name must not be able to move the cursor,
// change colours or forge a line. Newlines stay where `keep_newlines` says so.
std::string Printable(std::string_view text, bool keep_newlines = false);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_PRINTABLE_H_
