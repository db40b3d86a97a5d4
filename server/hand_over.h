// Objects that go to gRPC on one thread and come back on another.
#ifndef WEIGHTINIT_SERVER_HAND_OVER_H_
#define WEIGHTINIT_SERVER_HAND_OVER_H_

#if defined(__SANITIZE_THREAD__)  // GCC
#define WEIGHTINIT_THREAD_SANITIZER 1
#elif defined(__has_feature)  // Clang; some libraries define it for GCC, as 0
#if __has_feature(thread_sanitizer)
#define WEIGHTINIT_THREAD_SANITIZER 1
#endif
#endif

#ifdef WEIGHTINIT_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace weightinit::server {

// gRPC orders what we do before handing it something before what it does with it, and before its
// callback. ThreadSanitizer cannot see that in a gRPC that is not instrumented, so it is told: what
// came before HandOver(object) on one thread came before TakeOver(object) on another. Both do
// nothing in other builds, and neither looks at the object.
inline void HandOver([[maybe_unused]] void* object) {
#ifdef WEIGHTINIT_THREAD_SANITIZER
  __tsan_release(object);
#endif
}

inline void TakeOver([[maybe_unused]] void* object) {
#ifdef WEIGHTINIT_THREAD_SANITIZER
  __tsan_acquire(object);
#endif
}

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_HAND_OVER_H_
