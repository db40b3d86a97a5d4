// What the server does with a request, between the wire and the wire: conversion, rules, views,
// plans, selections, and the first chunks of what is drawn. The first byte tells whether the others
// are the message as it comes or what one is made from.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "server/buffer_pool.h"
#include "server/chunk_stream.h"
#include "server/options.h"
#include "server/request_resolver.h"
#include "tests/fuzz/message_from_bytes.h"
#include "weightinit/engine.h"
#include "weightinit/v1/service.pb.h"

namespace weightinit::fuzz {
namespace {

constexpr std::int64_t kChunkBytes = 64 << 10;

server::ServerOptions SmallOptions() {
  server::ServerOptions options;
  options.recipe_cache_bytes = 0;
  options.limits.max_matrix_bytes = 1 << 20;
  return options;
}

// A walk through a generator's state may be as long as somebody wants.
std::function<bool()> Soon() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  return [end] { return std::chrono::steady_clock::now() > end; };
}

void Serve(const v1::InitializeModelRequest& request) {
  static server::RequestResolver resolver(SmallOptions());
  static const Engine engine({.threads = 1, .cache_bytes = 0});
  static const auto buffers = server::BufferPool::Create(kChunkBytes, 4);
  auto resolved = resolver.Resolve(request, Soon());
  if (!resolved.ok()) return;
  server::ChunkStream chunks(engine, buffers, kChunkBytes, std::move(resolved->selections),
                             resolved->check);
  for (int i = 0; i < 4 && !chunks.is_done(); ++i) {
    if (!chunks.Next(Soon()).ok()) return;
  }
}

}  // namespace
}  // namespace weightinit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weightinit;
  if (size == 0) return 0;
  v1::InitializeModelRequest request;
  if (data[0] % 4 == 0) {
    if (!request.ParseFromArray(data + 1, static_cast<int>(size - 1))) return 0;
  } else {
    fuzz::MessageFromBytes(data + 1, size - 1).Fill(request);
  }
  fuzz::Serve(request);
  return 0;
}
