// An Engine that outlives a fork: its threads do not, so the child makes one of its own.
#ifndef WEIGHTINIT_CLIENT_PYTHON_SRC_ENGINE_HOLDER_H_
#define WEIGHTINIT_CLIENT_PYTHON_SRC_ENGINE_HOLDER_H_

#include <sys/types.h>

#include <memory>

#include "weightinit/engine.h"

namespace weightinit::python {

// Thread-safety: Get needs the GIL; what it returns is an Engine.
class EngineHolder {
 public:
  explicit EngineHolder(const EngineOptions& options);
  ~EngineHolder();
  EngineHolder(const EngineHolder&) = delete;
  EngineHolder& operator=(const EngineHolder&) = delete;

  // Stays valid while whoever asked holds it, whatever becomes of the holder.
  std::shared_ptr<const Engine> Get();

  // Gives threads and cache back; the next Get makes them anew.
  void Close();

 private:
  // Forgets the parent's engine: to destroy it would wait for threads that are not here.
  void LeaveToParent();

  const EngineOptions options_;
  pid_t process_ = 0;
  std::shared_ptr<const Engine> engine_;
};

}  // namespace weightinit::python

#endif  // WEIGHTINIT_CLIENT_PYTHON_SRC_ENGINE_HOLDER_H_
