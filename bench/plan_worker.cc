// Runs cases that bench/planning.py names, one line each, and answers with seconds:
//
//   plan RECIPE FORM          resolve a recipe, parsing included; FORM: library (nothing to parse),
//                             proto, json, yaml
//   fill VIEW ROWS COLUMNS    Engine::Fill of normal FLOAT32 into memory, one thread; VIEW:
//   identity,
//                             transpose, concat_rows, concat_columns, stack
//
// RECIPE: llama3_405b (1137 tensors, 60 rules with expressions and a view), or large (100 000
// tensors, 200 rules). The answer is "WALL_SECONDS CPU_SECONDS" or "error: TEXT". Texts and
// messages are made before the clock starts.
#include <sys/resource.h>

#include <chrono>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "client/formats/recipe_file.h"
#include "google/protobuf/util/json_util.h"
#include "proto/convert.h"
#include "weightinit/engine.h"
#include "weightinit/plan.h"
#include "weightinit/selection.h"
#include "weightinit/sink.h"
#include "weightinit/v1/recipe.pb.h"

namespace weightinit::bench {
namespace {

class Clock {
 public:
  std::string Elapsed() const {
    std::ostringstream text;
    text << std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_).count() << ' '
         << CpuSeconds() - cpu_;
    return text.str();
  }

 private:
  static double CpuSeconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }

  std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
  double cpu_ = CpuSeconds();
};

TensorSpec Tensor(std::string name, Shape shape, std::string module) {
  TensorSpec spec;
  spec.name = std::move(name);
  spec.shape = std::move(shape);
  spec.module = std::move(module);
  return spec;
}

Rule RuleOf(std::string name_regex, Initializer init, std::string scale = "") {
  Rule rule;
  rule.name_regex = std::move(name_regex);
  rule.init = std::move(init);
  rule.scale = std::move(scale);
  return rule;
}

// The tensors of Llama 3 405B, q, k and v packed, with torchtitan's depth-scaled rules; other
// rules, of which none matches, fill up to 60.
Recipe Llama() {
  constexpr std::int64_t kLayers = 126, kWidth = 16384, kHidden = 53248, kKeys = 1024;
  constexpr std::int64_t kVocabulary = 128256;
  Recipe recipe;
  recipe.default_dtype = DType::kBFloat16;
  recipe.tensors = {Tensor("tok_embeddings.weight", {kVocabulary, kWidth}, "Embedding")};
  for (std::int64_t i = 0; i < kLayers; ++i) {
    const std::string layer = "layers." + std::to_string(i) + ".";
    const auto add = [&](const std::string& name, Shape shape, const std::string& module) {
      recipe.tensors.push_back(Tensor(layer + name, std::move(shape), module));
    };
    add("attention.wq.weight", {kWidth, kWidth}, "Linear");
    add("attention.wkv.weight", {2 * kKeys, kWidth}, "Linear");
    add("attention.wo.weight", {kWidth, kWidth}, "Linear");
    add("feed_forward.w1.weight", {kHidden, kWidth}, "Linear");
    add("feed_forward.w2.weight", {kWidth, kHidden}, "Linear");
    add("feed_forward.w3.weight", {kHidden, kWidth}, "Linear");
    add("attention_norm.weight", {kWidth}, "RMSNorm");
    add("ffn_norm.weight", {kWidth}, "RMSNorm");
    add("rope.inv_freq", {64}, "");
  }
  recipe.tensors.push_back(Tensor("norm.weight", {kWidth}, "RMSNorm"));
  recipe.tensors.push_back(Tensor("output.weight", {kVocabulary, kWidth}, "Linear"));
  const std::string depth = R"(layers\.(?P<layer>\d+)\.)";
  TruncatedNormal small;
  small.std = 0.02;
  recipe.constants = {{"width", kWidth}};
  recipe.rules = {
      RuleOf(R"(tok_embeddings\.weight)", Normal{}),
      RuleOf(depth + R"((attention\.wo|feed_forward\.w[23])\.weight)", small,
             "1/sqrt(2*(layer+1))"),
      RuleOf(depth + R"(attention\.wkv\.weight)", small),
      RuleOf(depth + R"(attention\.wq\.weight)", small),
      RuleOf(depth + R"(feed_forward\.w1\.weight)", small),
      RuleOf(R"(output\.weight)", TruncatedNormal{.low = -3, .high = 3}, "1/sqrt(width)"),
      RuleOf(R"((.*\.)?(attention_|ffn_)?norm\.weight)", Ones{}),
      RuleOf(R"(.*\.inv_freq)", Zeros{}),
  };
  Concat keys_and_values;
  for (const char* part : {"k", "v"})
    keys_and_values.parts.emplace_back().name =
        std::string(R"(layers.\1.attention.w)") + part + ".weight";
  recipe.rules[2].view = View{keys_and_values, {}};
  while (recipe.rules.size() < 60) {
    const std::string number = std::to_string(recipe.rules.size());
    recipe.rules.push_back(RuleOf(R"(vision\.(?P<layer>\d+)\.block)" + number + R"(\..*\.weight)",
                                  small, "1/sqrt(layer+1)"));
  }
  recipe.allow_idle = true;
  return recipe;
}

// Every rule matches 500 tensors; a generic last one overlaps with all.
Recipe Large() {
  Recipe recipe;
  constexpr int kKinds = 199, kTensors = 100'000;
  for (int i = 0; i < kTensors; ++i) {
    const int kind = i % kKinds;
    recipe.tensors.push_back(Tensor("model.layers." + std::to_string(i / kKinds) + ".block" +
                                        std::to_string(kind) + ".projection.weight",
                                    {1024, 1024 + kind}, "Linear"));
  }
  for (int kind = 0; kind < kKinds; ++kind) {
    recipe.rules.push_back(
        RuleOf(R"(model\.layers\.(?P<layer>\d+)\.block)" + std::to_string(kind) + R"(\..*\.weight)",
               KaimingNormal{}, "1/sqrt(2*(layer+1))"));
  }
  recipe.rules.push_back(RuleOf(".*", Zeros{}));
  recipe.rules.back().may_be_idle = true;
  return recipe;
}

// YAML in the usual style, a tensor to a line.
std::string YamlOf(const std::string& json) {
  std::string yaml = "# Without this line it would be JSON.\n";
  for (std::size_t i = 0; i < json.size(); ++i) {
    yaml += json[i];
    // Flow style with line breaks where JSON's lists have them; strings keep their quotes.
    if (json[i] == ',' && i + 1 < json.size() && json[i + 1] == '{') yaml += "\n ";
  }
  return yaml;
}

class Worker {
 public:
  std::string Run(const std::string& line) {
    std::istringstream words(line);
    std::string name, what, form;
    words >> name >> what;
    if (name == "plan") {
      words >> form;
      return Plan(what, form);
    }
    std::int64_t rows = 0, columns = 0;
    words >> rows >> columns;
    return Fill(what, rows, columns);
  }

 private:
  struct Forms {
    Recipe recipe;
    std::string proto, json, yaml;
  };

  const Forms& FormsOf(const std::string& name) {
    Forms& forms = forms_[name];
    if (!forms.proto.empty()) return forms;
    forms.recipe = name == "large" ? Large() : Llama();
    const v1::Recipe message = proto::ToProto(forms.recipe);
    forms.proto = message.SerializeAsString();
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    if (!google::protobuf::util::MessageToJsonString(message, &forms.json, options).ok())
      forms.json.clear();
    forms.yaml = YamlOf(forms.json);
    return forms;
  }

  std::string Plan(const std::string& name, const std::string& form) {
    const Forms& forms = FormsOf(name);
    const Clock clock;
    absl::StatusOr<Recipe> recipe = forms.recipe;
    if (form == "proto") {
      v1::Recipe message;
      if (!message.ParseFromString(forms.proto)) return "error: proto";
      const absl::Status status = proto::RejectUnknown(message);
      if (!status.ok()) return "error: " + std::string(status.message());
      recipe = proto::FromProto(message, "");
    } else if (form != "library") {
      auto file = client::ParseRecipeFile(form == "json" ? forms.json : forms.yaml, "recipe");
      if (!file.ok()) return "error: " + std::string(file.status().message());
      recipe = std::move(file->recipe);
    }
    if (!recipe.ok()) return "error: " + std::string(recipe.status().message());
    const auto plan = Resolve(*recipe);
    if (!plan.ok()) return "error: " + std::string(plan.status().message());
    return clock.Elapsed();
  }

  std::string Fill(const std::string& view, std::int64_t rows, std::int64_t columns) {
    TensorSpec spec = Tensor("w", {rows, columns}, "");
    spec.init = Normal{};
    Concat concat;
    for (const char* part : {"q", "k"}) concat.parts.emplace_back().name = part;
    if (view == "transpose") spec.view = View{Transpose{}, {}};
    if (view == "concat_rows") spec.view = View{concat, {}};
    if (view == "concat_columns") {
      concat.dim = 1;
      spec.view = View{concat, {}};
    }
    if (view == "stack") {
      Stack stack;
      stack.part.name = "e.{}";
      spec.view = View{stack, {}};
    }
    const auto plan = ResolveTensor(spec, 1);
    if (!plan.ok()) return "error: " + std::string(plan.status().message());
    const BoundSelection all = SelectAll(*plan)[0];
    memory_.resize(static_cast<std::size_t>(all.num_bytes()));
    BytesSink sink(memory_, all.dtype);
    const Clock clock;
    const absl::Status status = engine_.Fill(*plan, all, sink);
    return status.ok() ? clock.Elapsed() : "error: " + std::string(status.message());
  }

  std::map<std::string, Forms> forms_;
  std::vector<std::byte> memory_;
  const Engine engine_{{.threads = 1}};
};

}  // namespace
}  // namespace weightinit::bench

int main() {
  weightinit::bench::Worker worker;
  std::cout << "target " << weightinit::SimdTarget() << std::endl;
  for (std::string line; std::getline(std::cin, line);) std::cout << worker.Run(line) << std::endl;
}
