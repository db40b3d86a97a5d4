#include "bench/plain_memory.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/plain_memory.cc"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace weightinit::bench::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void Store(std::byte* out, std::size_t size) {
  const hn::ScalableTag<std::uint32_t> d;
  auto* const to = reinterpret_cast<std::uint32_t*>(out);
  const auto value = hn::Set(d, 0x3F800000);
  for (std::size_t i = 0; i < size / sizeof(std::uint32_t); i += hn::Lanes(d)) {
    hn::Stream(value, d, to + i);
  }
  hwy::FlushStream();
}

}  // namespace weightinit::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weightinit::bench {

HWY_EXPORT(Store);

void StreamingStore(std::span<std::byte> out) {
  HWY_DYNAMIC_DISPATCH(Store)(out.data(), out.size());
}

}  // namespace weightinit::bench
#endif
