#include "tests/support/recipe_json.h"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "absl/strings/escaping.h"
#include "lib/recipe/methods.h"
#include "lib/recipe/name_tables.h"
#include "lib/recipe/parameters.h"

namespace weightinit::test {
namespace {

using nlohmann::json;

// Numbers may stand in quotes: protobuf writes 64-bit integers and non-finite doubles so.
void Read(const json& value, double& out) {
  if (value.is_number()) {
    out = value.get<double>();
    return;
  }
  const auto text = value.get<std::string>();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  out = text == "NaN"         ? std::nan("")
        : text == "Infinity"  ? kInfinity
        : text == "-Infinity" ? -kInfinity
                              : std::stod(text);
}
void Read(const json& value, std::int64_t& out) {
  out = value.is_string() ? std::stoll(value.get<std::string>()) : value.get<std::int64_t>();
}
void Read(const json& value, std::uint64_t& out) {
  out = value.is_string() ? std::stoull(value.get<std::string>()) : value.get<std::uint64_t>();
}
void Read(const json& value, bool& out) { out = value.get<bool>(); }
void Read(const json& value, std::string& out) { out = value.get<std::string>(); }
void Read(const json& value, DType& out) { out = ParseDType(value.get<std::string>()).value(); }
void Read(const json& value, FanLayout& out) {
  out = value.get<std::string>() == "IN_OUT" ? FanLayout::kInOut : FanLayout::kOutIn;
}
template <typename Enum>
requires std::is_enum_v<Enum>
void Read(const json& value, Enum& out) {
  const auto text = value.get<std::string>();
  for (const auto& row : NamesOf(out)) {
    if (row.name == text) {
      out = row.value;
      return;
    }
  }
  throw std::invalid_argument("unknown value " + text);
}
template <typename T>
void Read(const json& value, std::vector<T>& out) {
  for (const json& element : value) Read(element, out.emplace_back());
}
template <typename T>
void Read(const json& value, std::optional<T>& out) {
  Read(value, out.emplace(T{}));
}

// Reads the member `name`, if it is there, and counts it as known.
class Members {
 public:
  explicit Members(const json& object) : object_(object) {}
  ~Members() noexcept(false) {
    if (known_ != object_.size() && std::uncaught_exceptions() == 0)
      throw std::invalid_argument("unknown members in " + object_.dump());
  }
  const json* Find(const std::string& name) {
    const auto found = object_.find(name);
    if (found == object_.end()) return nullptr;
    ++known_;
    return &*found;
  }
  template <typename T>
  void operator()(std::string_view name, T& out) {
    if (const json* value = Find(std::string(name))) Read(*value, out);
  }
  template <typename T, typename FromJson>
  void Message(const std::string& name, T& out, FromJson from_json) {
    if (const json* value = Find(name)) out = from_json(*value);
  }

 private:
  const json& object_;
  std::size_t known_ = 0;
};

Initializer InitializerFromJson(const json& object) {
  if (object.size() != 1) throw std::invalid_argument("one method: " + object.dump());
  auto init = MakeMethod(object.begin().key());
  if (!init.has_value()) throw std::invalid_argument("no method: " + object.dump());
  std::visit(
      [&](auto& method) {
        Members members(object.begin().value());
        VisitParameters(method, members);
      },
      *init);
  return *init;
}

FanGeometry FanFromJson(const json& object) {
  FanGeometry fan;
  Members members(object);
  members("layout", fan.layout);
  members("transposed", fan.transposed);
  members("groups", fan.groups);
  members("in_axes", fan.in_axes);
  members("out_axes", fan.out_axes);
  members("batch_axes", fan.batch_axes);
  members("fan_in", fan.fan_in);
  members("fan_out", fan.fan_out);
  members("fans_of", fan.fans_of);
  return fan;
}

Generator GeneratorFromJson(const json& object) {
  if (object.empty()) return Generator();
  Generator generator = ParseGenerator(object.begin().key()).value();
  Members members(object.begin().value());
  if (auto* jax = std::get_if<JaxThreefry>(&generator)) {
    if (const json* layout = members.Find("layout"))
      jax->layout = ParseJaxLayout(layout->get<std::string>(), "layout").value();
    if (const json* fold_in = members.Find("fold_in"))
      jax->fold_in = fold_in->get<std::vector<std::uint32_t>>();
  }
  if (auto* torch = std::get_if<TorchCpu>(&generator)) {
    if (const json* variant = members.Find("variant"))
      torch->variant = ParseTorchVariant(variant->get<std::string>(), "variant").value();
    members("torch_version", torch->torch_version);
    if (const json* state = members.Find("start_state")) {
      if (!absl::Base64Unescape(state->get<std::string>(), &torch->start_state))
        throw std::invalid_argument("start_state is not base64");
    }
  }
  return generator;
}

DrawStep DrawStepFromJson(const json& object) {
  DrawStep step;
  Members members(object);
  members("name", step.name);
  if (const json* init = members.Find("init")) step.init = InitializerFromJson(*init);
  members("construct", step.construct);
  return step;
}

Range RangeFromJson(const json& object) {
  Range range;
  Members members(object);
  members("start", range.start);
  members("size", range.size);
  members("step", range.step);
  return range;
}

OptionalView ViewFromJson(const json& object);

ViewPart PartFromJson(const json& object) {
  ViewPart part;
  Members members(object);
  members("name", part.name);
  members("size", part.size);
  members.Message("init", part.init, InitializerFromJson);
  members.Message("fan", part.fan, FanFromJson);
  members("scale", part.scale);
  members("seed", part.seed);
  members("subsequence", part.subsequence);
  members.Message("view", part.view, ViewFromJson);
  return part;
}

OptionalView ViewFromJson(const json& object) {
  View view;
  Members members(object);
  if (const json* value = members.Find("concat")) {
    Concat concat;
    Members of(*value);
    if (const json* parts = of.Find("parts")) {
      for (const json& part : *parts) concat.parts.push_back(PartFromJson(part));
    }
    of("dim", concat.dim);
    of("blocks", concat.blocks);
    view.kind = std::move(concat);
  }
  if (const json* value = members.Find("stack")) {
    Stack stack;
    Members of(*value);
    of.Message("part", stack.part, PartFromJson);
    of("count", stack.count);
    of("dim", stack.dim);
    of("first", stack.first);
    view.kind = std::move(stack);
  }
  if (const json* value = members.Find("transpose")) {
    Transpose transpose;
    Members of(*value);
    of("dims", transpose.dims);
    of.Message("view", transpose.view, ViewFromJson);
    view.kind = std::move(transpose);
  }
  if (const json* value = members.Find("tied_to")) view.kind = TiedTo{value->get<std::string>()};
  if (const json* rows = members.Find("zero_rows")) {
    for (const json& range : *rows) view.zero_rows.push_back(RangeFromJson(range));
  }
  return view;
}

Rule RuleFromJson(const json& object) {
  Rule rule;
  Members members(object);
  members("name_regex", rule.name_regex);
  members("module", rule.module);
  members.Message("init", rule.init, InitializerFromJson);
  members.Message("fan", rule.fan, FanFromJson);
  members("scale", rule.scale);
  members("seed", rule.seed);
  members("skip", rule.skip);
  members("may_be_idle", rule.may_be_idle);
  members.Message("view", rule.view, ViewFromJson);
  return rule;
}

}  // namespace

TensorSpec TensorSpecFromJson(const json& object) {
  TensorSpec spec;
  Members members(object);
  members("name", spec.name);
  members("shape", spec.shape);
  members("dtype", spec.dtype);
  members.Message("init", spec.init, InitializerFromJson);
  members.Message("fan", spec.fan, FanFromJson);
  members("module", spec.module);
  members("buffer", spec.buffer);
  members("draw_name", spec.draw_name);
  members("subsequence", spec.subsequence);
  members("seed", spec.seed);
  members("scale", spec.scale);
  members.Message("view", spec.view, ViewFromJson);
  return spec;
}

Recipe RecipeFromJson(const json& object) {
  Recipe recipe;
  Members members(object);
  members.Message("generator", recipe.generator, GeneratorFromJson);
  members("seed", recipe.seed);
  members("default_dtype", recipe.default_dtype);
  if (const json* constants = members.Find("constants")) recipe.constants = *constants;
  if (const json* tensors = members.Find("tensors")) {
    for (const json& tensor : *tensors) recipe.tensors.push_back(TensorSpecFromJson(tensor));
  }
  if (const json* rules = members.Find("rules")) {
    for (const json& rule : *rules) recipe.rules.push_back(RuleFromJson(rule));
  }
  if (const json* renames = members.Find("renames")) {
    for (const json& rename : *renames)
      recipe.renames.push_back({rename.at("name_regex"), rename.at("rewrite")});
  }
  if (const json* draws = members.Find("draws")) {
    for (const json& draw : *draws) recipe.draws.push_back(DrawStepFromJson(draw));
  }
  members("allow_uncovered", recipe.allow_uncovered);
  members("allow_idle", recipe.allow_idle);
  return recipe;
}

Slice SliceFromJson(const json& object) {
  if (object.contains("flat")) return RangeFromJson(object.at("flat"));
  Box box;
  for (const json& dim : object.at("box").at("dims")) box.dims.push_back(RangeFromJson(dim));
  return box;
}

Selection SelectionFromJson(const json& object) {
  Selection selection;
  Members members(object);
  members("name", selection.name);
  members.Message("slice", selection.slice, SliceFromJson);
  members("first_byte", selection.first_byte);
  members("byte_count", selection.byte_count);
  members("dtype", selection.dtype);
  return selection;
}

}  // namespace weightinit::test
