// A WeightChunk on the wire, all but its values.
#ifndef WEIGHTINIT_SERVER_ENVELOPE_H_
#define WEIGHTINIT_SERVER_ENVELOPE_H_

#include <string>

#include "server/chunk_stream.h"

namespace weightinit::server {

// The bytes that stand before a chunk's values: the small fields of a serialized v1::WeightChunk,
// then tag and length of `values`, the last field. Followed by the values they are the message, so
// that values need never be copied into one.
//
// Errors: none. Thread-safety: a pure function.
std::string Envelope(const Chunk& chunk);

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_ENVELOPE_H_
