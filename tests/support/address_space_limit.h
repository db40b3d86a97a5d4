// Less memory than there is, for tests of what happens when it runs out.
#ifndef WEIGHTINIT_TESTS_SUPPORT_ADDRESS_SPACE_LIMIT_H_
#define WEIGHTINIT_TESTS_SUPPORT_ADDRESS_SPACE_LIMIT_H_

#include <sys/resource.h>

#include <cstdint>

namespace weightinit::test {

// Sanitizers map terabytes for themselves: no limit can be set beside them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

// While it lives, the process cannot map more than `bytes` in all.
class AddressSpaceLimit {
 public:
  explicit AddressSpaceLimit(std::int64_t bytes) {
    getrlimit(RLIMIT_AS, &before_);
    const rlimit limit{.rlim_cur = static_cast<rlim_t>(bytes), .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_AS, &limit);
  }
  ~AddressSpaceLimit() { setrlimit(RLIMIT_AS, &before_); }
  AddressSpaceLimit(const AddressSpaceLimit&) = delete;
  AddressSpaceLimit& operator=(const AddressSpaceLimit&) = delete;

 private:
  rlimit before_{};
};

}  // namespace weightinit::test

#endif  // WEIGHTINIT_TESTS_SUPPORT_ADDRESS_SPACE_LIMIT_H_
