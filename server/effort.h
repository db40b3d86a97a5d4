// What the next step of something costs, so that the right thread takes it.
#ifndef WEIGHTINIT_SERVER_EFFORT_H_
#define WEIGHTINIT_SERVER_EFFORT_H_

#include <cstdint>

namespace weightinit::server {

enum class Effort : std::uint8_t {
  kTrivial,  // less than to wake another thread, some ten microseconds: whoever is there does it
  kShort,    // a chunk: the pool does it, in turn
  kLong,     // may take long, or wait for what another does: the pool, but never all of its threads
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_EFFORT_H_
