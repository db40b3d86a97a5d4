// Answers questions about plans and values, for tests in other languages.
//
// Standard input holds one JSON object per line, standard output one answer each:
//
//   {"want": "plan",   "tensor": {…}, "seed": 1}                      → {"distribution": …,
//   "numbers": {…}, …}
//   {"want": "values", "tensor": {…}, "seed": 1, "selection": {…}}    → {"bytes": n, "digest": "…"}
//   and n raw bytes
//   {"want": "words",  "seed": 1, "subsequence": 2, "plane": 0, "first": 0, "count": 8} → {"bytes":
//   32} and the words
//   {"want": "model", "recipe": {…}}                                  → {"bytes": n} and the bytes
//   of every tensor, in recipe order
//   {"want": "gain", "nonlinearity": "RELU", "negative_slope": 0}     → {"gain": "0x1.6a…p+0"}
//
// Numbers are answered in hexadecimal, so that nothing is lost. A refusal is {"error": "message"}.
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "lib/base/text.h"
#include "lib/source/kernels/kernels.h"
#include "tests/support/recipe_json.h"
#include "weightinit/engine.h"
#include "weightinit/plan.h"
#include "weightinit/selection.h"
#include "weightinit/sink.h"

namespace weightinit {
namespace {

using nlohmann::json;

// An answer, and what follows it.
struct Answer {
  json line;
  std::vector<std::byte> bytes;
};

std::uint64_t NumberOf(const json& question, const char* name) {
  return question.contains(name) ? question.at(name).get<std::uint64_t>() : 0;
}

Answer Error(const absl::Status& status) {
  return {{{"error", std::string(status.message())}}, {}};
}

Answer PlanOf(const ModelPlan& plan) {
  const TensorPlan& tensor = plan.tensors[0];
  const Draw& draw = plan.draws[0];
  json numbers = json::object();
  for (const auto& [name, value] : Numbers(draw.distribution)) numbers[name] = FormatHex(value);
  json line = {{"distribution", std::string(Name(draw.distribution))},
               {"numbers", numbers},
               {"subsequence", draw.subsequence},
               {"fingerprint", ToHex(plan.fingerprint)},
               {"digest_weight", DigestWeight(tensor.name, tensor.dtype, tensor.shape)},
               {"warnings", tensor.warnings}};
  if (tensor.fans.has_value())
    line["fans"] = {FormatHex(tensor.fans->in), FormatHex(tensor.fans->out)};
  if (tensor.gain.has_value()) line["gain"] = FormatHex(*tensor.gain);
  return {line, {}};
}

Answer ValuesOf(const Engine& engine, const ModelPlan& plan, const json& question) {
  Selection selection;
  if (question.contains("selection")) selection = test::SelectionFromJson(question.at("selection"));
  selection.name = plan.tensors[0].name;
  const auto bound = Bind(plan, selection, "selection");
  if (!bound.ok()) return Error(bound.status());
  std::vector<std::byte> bytes(static_cast<std::size_t>(bound->num_bytes()));
  BytesSink sink(bytes, bound->dtype);
  DigestSink digest;
  TeeSink tee({&sink, &digest});
  const absl::Status status = engine.Fill(plan, *bound, tee);
  if (!status.ok()) return Error(status);
  return {{{"digest", digest.digest()}}, std::move(bytes)};
}

Answer WordsOf(const json& question) {
  std::vector<std::uint32_t> words(NumberOf(question, "count"));
  kernels::BestKernels().words(
      {.seed = NumberOf(question, "seed"), .subsequence = NumberOf(question, "subsequence")},
      static_cast<int>(NumberOf(question, "plane")), NumberOf(question, "first"), words);
  const auto bytes = std::as_bytes(std::span<const std::uint32_t>(words));
  return {json::object(), {bytes.begin(), bytes.end()}};
}

Answer GainOf(const json& question) {
  for (const Nonlinearity nonlinearity : AllNonlinearities()) {
    if (Name(nonlinearity) == question.at("nonlinearity").get<std::string>())
      return {{{"gain", FormatHex(Gain(nonlinearity, question.at("negative_slope")))}}, {}};
  }
  return {{{"error", "unknown nonlinearity"}}, {}};
}

Answer ModelOf(const Engine& engine, const json& question) {
  const auto plan = Resolve(test::RecipeFromJson(question.at("recipe")));
  if (!plan.ok()) return Error(plan.status());
  std::vector<std::byte> bytes(static_cast<std::size_t>(plan->num_bytes));
  std::size_t at = 0;
  for (const BoundSelection& selection : SelectAll(*plan)) {
    const auto size = static_cast<std::size_t>(selection.num_bytes());
    BytesSink sink(std::span<std::byte>(bytes).subspan(at, size), selection.dtype);
    const absl::Status status = engine.Fill(*plan, selection, sink);
    if (!status.ok()) return Error(status);
    at += size;
  }
  return {json::object(), std::move(bytes)};
}

Answer AnswerTo(const Engine& engine, const json& question) {
  const std::string want = question.at("want");
  if (want == "model") return ModelOf(engine, question);
  if (want == "words") return WordsOf(question);
  if (want == "gain") return GainOf(question);
  const auto plan =
      ResolveTensor(test::TensorSpecFromJson(question.at("tensor")), NumberOf(question, "seed"));
  if (!plan.ok()) return Error(plan.status());
  return want == "plan" ? PlanOf(*plan) : ValuesOf(engine, *plan, question);
}

}  // namespace
}  // namespace weightinit

int main() {
  const weightinit::Engine engine({.threads = 2});
  for (std::string line; std::getline(std::cin, line);) {
    weightinit::Answer answer = weightinit::AnswerTo(engine, nlohmann::json::parse(line));
    if (!answer.line.contains("error")) answer.line["bytes"] = answer.bytes.size();
    std::cout << answer.line.dump() << '\n';
    std::cout.write(reinterpret_cast<const char*>(answer.bytes.data()),
                    static_cast<std::streamsize>(answer.bytes.size()));
    std::cout.flush();
  }
}
