#include <utility>

#include "weightinit/sink.h"

namespace weightinit {

TeeSink::TeeSink(std::vector<Sink*> sinks) : sinks_(std::move(sinks)) {}

std::byte* TeeSink::Destination(std::int64_t offset, std::int64_t count) {
  for (Sink* sink : sinks_) {
    if (std::byte* const destination = sink->Destination(offset, count)) return destination;
  }
  return nullptr;
}

void TeeSink::Take(const Piece& piece) {
  for (Sink* sink : sinks_) sink->Take(piece);
}

}  // namespace weightinit
