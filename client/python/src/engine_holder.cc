#include "client/python/src/engine_holder.h"

#include <unistd.h>

namespace weightinit::python {

EngineHolder::EngineHolder(const EngineOptions& options) : options_(options) {}

EngineHolder::~EngineHolder() { Close(); }

void EngineHolder::Close() {
  if (process_ != getpid()) LeaveToParent();
  process_ = 0;
  engine_ = nullptr;
}

std::shared_ptr<const Engine> EngineHolder::Get() {
  if (process_ != getpid()) {
    LeaveToParent();
    process_ = getpid();
    engine_ = std::make_shared<const Engine>(options_);
  }
  return engine_;
}

void EngineHolder::LeaveToParent() {
  // NOLINTNEXTLINE(bugprone-unused-return-value): one reference that nobody gives up keeps it alive
  if (engine_ != nullptr) new std::shared_ptr<const Engine>(std::move(engine_));
  engine_ = nullptr;
}

}  // namespace weightinit::python
