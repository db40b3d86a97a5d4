// What the client's tests share.
#ifndef WEIGHTINIT_TESTS_UNIT_CLIENT_TESTING_H_
#define WEIGHTINIT_TESTS_UNIT_CLIENT_TESTING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/backend.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "weightinit/engine.h"
#include "weightinit/plan.h"
#include "weightinit/recipe.h"
#include "weightinit/selection.h"
#include "weightinit/sink.h"

namespace weightinit::client {

inline TensorSpec Tensor(std::string name, Shape shape, Initializer init = Normal(),
                         DType dtype = DType::kFloat32) {
  TensorSpec tensor;
  tensor.name = std::move(name);
  tensor.shape = std::move(shape);
  tensor.init = std::move(init);
  tensor.dtype = dtype;
  return tensor;
}

inline Model ModelOf(std::vector<TensorSpec> tensors) {
  Model model;
  model.recipe.tensors = std::move(tensors);
  model.plan = Resolve(model.recipe).value();
  return model;
}

inline Selection Select(const std::string& name, Slice slice = {}) {
  Selection selection;
  selection.name = name;
  selection.slice = std::move(slice);
  return selection;
}

struct DrawnValues {
  std::string bytes;
  std::uint64_t digest = 0;
};

// What the library itself draws, in one go.
inline DrawnValues Draw(const ModelPlan& plan, const BoundSelection& selection) {
  static const Engine engine(EngineOptions{.threads = 1});
  DrawnValues drawn;
  drawn.bytes.resize(static_cast<std::size_t>(selection.num_bytes()));
  BytesSink bytes(std::as_writable_bytes(std::span(drawn.bytes)), selection.dtype);
  DigestSink digest;
  TeeSink both({&bytes, &digest});
  if (!engine.Fill(plan, selection, both).ok()) return {"failed", 0};
  drawn.digest = digest.digest();
  return drawn;
}

inline std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// A message as it may arrive: in slices of this many bytes.
inline grpc::ByteBuffer InSlices(std::string_view message, std::size_t slice_bytes) {
  std::vector<grpc::Slice> slices;
  for (std::size_t at = 0; at < message.size(); at += slice_bytes) {
    slices.emplace_back(message.data() + at, std::min(slice_bytes, message.size() - at));
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

// Keeps what it is given, and how often: each byte should come once.
class Collector final : public Receiver {
 public:
  bool in_order() const override { return ordered; }
  absl::Status Take(std::size_t selection, std::int64_t byte_offset,
                    std::span<const std::byte> bytes) override {
    const std::lock_guard lock(mutex_);
    if (!error.ok()) return error;
    if (values.size() <= selection) values.resize(selection + 1);
    std::string& text = values[selection];
    const auto end = static_cast<std::size_t>(byte_offset) + bytes.size();
    if (text.size() < end) text.resize(end);
    text.replace(static_cast<std::size_t>(byte_offset), bytes.size(),
                 reinterpret_cast<const char*>(bytes.data()), bytes.size());
    num_bytes += static_cast<std::int64_t>(bytes.size());
    return absl::OkStatus();
  }
  absl::Status Done(std::size_t selection, std::uint64_t digest) override {
    const std::lock_guard lock(mutex_);
    ++times_done[selection];
    if (digests.size() <= selection) digests.resize(selection + 1);
    digests[selection] = digest;
    return absl::OkStatus();
  }

  bool ordered = true;
  absl::Status error;
  std::vector<std::string> values;
  std::vector<std::uint64_t> digests;
  std::map<std::size_t, int> times_done;
  std::int64_t num_bytes = 0;

 private:
  std::mutex mutex_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_TESTS_UNIT_CLIENT_TESTING_H_
