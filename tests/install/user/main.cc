// Draws a slice of a tensor and knows what must come out.
#include <weightinit/engine.h>
#include <weightinit/plan.h>
#include <weightinit/selection.h>
#include <weightinit/sink.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <vector>

int main() {
  weightinit::TensorSpec spec;
  spec.name = "fc1.weight";
  spec.shape = {10, 100};
  auto init = weightinit::ParseInitializer("uniform(low=-0.37, high=0.11)");
  if (!init.ok()) return 1;
  spec.init = *init;
  const auto plan = weightinit::ResolveTensor(spec, 0x0123456789abcdef);
  if (!plan.ok()) {
    std::cerr << plan.status() << "\n";
    return 1;
  }
  weightinit::Selection selection;
  selection.name = "fc1.weight";
  selection.slice = weightinit::Range{0, 4, {}};
  const auto part = weightinit::Bind(*plan, selection, "selection");
  if (!part.ok()) return 1;
  std::vector<std::byte> bytes(static_cast<std::size_t>(part->num_bytes()));
  weightinit::BytesSink sink(bytes, part->dtype);
  const weightinit::Engine engine({.threads = 2});
  if (!engine.Fill(*plan, *part, sink).ok()) return 1;
  // The known answers of docs/philox-v1.md.
  const std::uint32_t expected[] = {0xbe20a622, 0xbeab4613, 0xbeb8b426, 0xbe85b9f9};
  if (bytes.size() != sizeof expected || std::memcmp(bytes.data(), expected, sizeof expected) != 0)
    return 1;

  // A part of the library behind each of its dependencies: RE2, OpenSSL, threads.
  weightinit::Recipe recipe;
  recipe.tensors = {{}};
  recipe.tensors[0].name = "h.0.weight";
  recipe.tensors[0].shape = {64, 64};
  weightinit::Rule rule;
  rule.name_regex = "h\\.\\d+\\.weight";
  rule.init = weightinit::Orthogonal{};
  recipe.rules = {rule};
  const auto model = weightinit::Resolve(recipe);
  if (!model.ok()) return 1;
  weightinit::DigestSink digest;
  if (!engine.Fill(*model, weightinit::SelectAll(*model)[0], digest).ok()) return 1;
  std::cout << "weightinit " << weightinit::Version() << " on " << weightinit::SimdTarget() << ": "
            << weightinit::ToHex(model->fingerprint) << "\n";
  return digest.digest() == 0;
}
