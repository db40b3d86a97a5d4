#include "server/idle_watch.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>

namespace weightinit::server {

IdleWatch::Watched IdleWatch::Watch(const grpc::CallbackServerContext& context,
                                    StreamProgress& progress) {
  if (timeout_.count() == 0) return nullptr;
  const std::lock_guard lock(mutex_);
  streams_.push_front({&context, &progress, 0, std::chrono::steady_clock::now()});
  return Watched(this, Remove{this, streams_.begin()});
}

void IdleWatch::Remove::operator()(const IdleWatch*) const {
  const std::lock_guard lock(watch->mutex_);
  watch->streams_.erase(stream);
}

void IdleWatch::Sweep(std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  for (Stream& stream : streams_) {
    const std::uint32_t steps = stream.progress->steps.load(std::memory_order_relaxed);
    if (steps % 2 == 0 || steps != stream.seen) stream.since = now;
    stream.seen = steps;
  }
  const auto is_stuck = [&](const Stream& stream) {
    return now - stream.since >= timeout_ && !stream.progress->is_cut.load();
  };
  // The list may change with every call that is cancelled.
  for (auto stuck = std::find_if(streams_.begin(), streams_.end(), is_stuck);
       stuck != streams_.end(); stuck = std::find_if(streams_.begin(), streams_.end(), is_stuck)) {
    stuck->progress->is_cut.store(true);
    stuck->context->TryCancel();
  }
}

}  // namespace weightinit::server
