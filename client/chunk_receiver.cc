#include "client/chunk_receiver.h"

#include <algorithm>

#include "client/printable.h"
#include "proto/convert.h"
#include "weightinit/dtype.h"
#include "weightinit/shape.h"

namespace weightinit::client {

ChunkReceiver::ChunkReceiver(const ModelPlan& plan, std::span<const BoundSelection> selections,
                             bool digest, Receiver& receiver)
    : plan_(plan), selections_(selections), digest_wanted_(digest), receiver_(receiver) {}

absl::Status ChunkReceiver::Broken(std::string_view what) const {
  std::string message = "the server's answer is not what was asked for: ";
  if (selection_ < selections_.size()) {
    const auto tensor = static_cast<std::size_t>(current().tensor);
    message += "tensor '" + Printable(plan_.tensors[tensor].name) + "': ";
  }
  return absl::DataLossError(message.append(what));
}

absl::Status ChunkReceiver::CheckHeader(const v1::TensorHeader& header) const {
  const TensorPlan& tensor = plan_.tensors[static_cast<std::size_t>(current().tensor)];
  if (header.name() != tensor.name) {
    return Broken("the header names '" + Printable(header.name()) + "'");
  }
  if (!std::equal(header.shape().begin(), header.shape().end(), current().shape.begin(),
                  current().shape.end())) {
    return Broken("the header has another shape than " + ToString(current().shape));
  }
  if (header.dtype() != proto::ToProto(current().dtype)) {
    return Broken("the header has another dtype than " + std::string(Name(current().dtype)));
  }
  std::int64_t elements = 1;
  for (const std::int64_t dim : current().shape) elements *= dim;
  const std::int64_t total = elements * SizeBytes(current().dtype);
  if (header.total_bytes() != static_cast<std::uint64_t>(total)) {
    return Broken("the header says " + std::to_string(header.total_bytes()) + " bytes, not " +
                  std::to_string(total));
  }
  // Other numbers are other bits, which would go into files under this client's fingerprint.
  if (header.fingerprint() != proto::FingerprintToBytes(plan_.fingerprint)) {
    return absl::FailedPreconditionError(
        "the server (version '" + Printable(header.server_version()) +
        "') resolves this recipe to other numbers than this client; use the same version of both");
  }
  return absl::OkStatus();
}

absl::Status ChunkReceiver::Take(const ChunkMessage& message) {
  const v1::WeightChunk& chunk = message.fields;
  if (selection_ == selections_.size()) return Broken("chunks after the last one");
  if (chunk.selection() != selection_) {
    return Broken("a chunk of selection " + std::to_string(chunk.selection()) +
                  " where selection " + std::to_string(selection_) + " belongs");
  }
  const std::int64_t element = SizeBytes(current().dtype);
  if (chunk.has_header() == begun_) {
    return Broken(begun_ ? "a second header" : "a first chunk without header");
  }
  if (!begun_) {
    if (absl::Status status = CheckHeader(chunk.header()); !status.ok()) return status;
    begun_ = true;
    next_byte_ = current().first * element;
    end_byte_ = next_byte_ + current().num_bytes();
    if (digest_wanted_) digest_.emplace(current());
  }
  if (chunk.byte_offset() != static_cast<std::uint64_t>(next_byte_)) {
    return Broken("a chunk at byte " + std::to_string(chunk.byte_offset()) + " where byte " +
                  std::to_string(next_byte_) + " belongs");
  }
  const std::size_t size = message.num_bytes();
  if (size > static_cast<std::uint64_t>(end_byte_ - next_byte_)) {
    return Broken("more bytes than asked for");
  }
  if (static_cast<std::int64_t>(size) % element != 0) return Broken("a chunk that cuts an element");
  // An endless stream of empty chunks would keep us here for ever.
  if (size == 0 && !chunk.has_trailer() && !chunk.has_header())
    return Broken("a chunk without values");
  for (const std::span<const std::byte> piece : message.values) {
    if (absl::Status status = receiver_.Take(selection_, next_byte_, piece); !status.ok()) {
      return status;
    }
    if (digest_wanted_) digest_->Add(piece);
    next_byte_ += static_cast<std::int64_t>(piece.size());
  }
  return chunk.has_trailer() ? End(chunk.trailer()) : absl::OkStatus();
}

std::int64_t ChunkReceiver::elements_taken() const {
  return begun_ ? next_byte_ / SizeBytes(current().dtype) - current().first : 0;
}

absl::Status ChunkReceiver::End(const v1::TensorTrailer& trailer) {
  if (next_byte_ != end_byte_) {
    return Broken("it ends " + std::to_string(end_byte_ - next_byte_) + " bytes too early");
  }
  if (digest_wanted_ && (!trailer.has_digest() || trailer.digest() != digest())) {
    return Broken(trailer.has_digest() ? "the digest of the bytes is not the server's"
                                       : "the digest that was asked for is missing");
  }
  if (absl::Status status = receiver_.Done(selection_, digest()); !status.ok()) return status;
  begun_ = false;
  ++selection_;
  return absl::OkStatus();
}

absl::Status ChunkReceiver::Finish() const {
  if (selection_ == selections_.size()) return absl::OkStatus();
  return Broken(begun_ ? "the stream ends in the middle" : "it is missing");
}

}  // namespace weightinit::client
