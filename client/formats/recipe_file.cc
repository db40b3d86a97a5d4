#include "client/formats/recipe_file.h"

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "client/formats/nearest.h"
#include "weightinit/initializer.h"
#include "weightinit/status.h"

namespace weightinit::client {
namespace {

using Value = Document::Value;

// What the readers below share: the document for errors, and the bound of the walk.
struct Context {
  const Document& document;
  std::int64_t visits_left = Document::kMaxVisits;

  absl::Status Error(const Value& value, std::string_view path,
                     std::string_view description) const {
    return document.Error(value.line(), path, description);
  }
  absl::Status Expected(const Value& value, std::string_view path, std::string_view what) const {
    const std::string given =
        value.is_scalar() ? "'" + value.text() + "'" : std::string(value.KindName());
    return Error(value, path, given + " is not " + std::string(what));
  }
  // Aliases make a small file a large tree.
  absl::Status Visit(const Value& value, std::string_view path) {
    if (--visits_left >= 0) return absl::OkStatus();
    return Error(value, path,
                 "the aliases of this file expand to more than " +
                     std::to_string(Document::kMaxVisits) + " values");
  }
};

// A known key of an object of type T, and what reads its value.
template <typename T>
struct Field {
  std::string_view name;
  absl::Status (*read)(Context&, const Value&, const std::string& path, T&);
};

std::string Join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

template <typename T, std::size_t N>
absl::Status ReadObject(Context& context, const Value& value, const std::string& path,
                        const Field<T> (&fields)[N], T& object,
                        std::set<std::string>* keys = nullptr) {
  if (value.kind() != Document::Kind::kMap) return context.Expected(value, path, "a mapping");
  int lines[N] = {};  // of the keys seen; 0: not seen
  for (std::size_t i = 0; i < value.size(); ++i) {
    const Value key = value.key(i);
    const std::string name = SnakeCase(key.text());
    const auto field = std::find_if(std::begin(fields), std::end(fields),
                                    [&](const Field<T>& known) { return known.name == name; });
    if (field == std::end(fields)) {
      std::vector<std::string_view> names;
      for (const Field<T>& known : fields) names.push_back(known.name);
      return context.Error(key, Join(path, key.text()), "unknown key" + Hint(name, names));
    }
    int& line = lines[field - std::begin(fields)];
    if (line != 0) {
      return context.Error(key, Join(path, name),
                           "given twice; first in line " + std::to_string(line));
    }
    line = key.line();
    const std::string below = Join(path, name);
    if (absl::Status status = context.Visit(value.item(i), below); !status.ok()) return status;
    if (absl::Status status = field->read(context, value.item(i), below, object); !status.ok()) {
      return status;
    }
    if (keys != nullptr) keys->insert(name);
  }
  return absl::OkStatus();
}

// One reader per type. ----------------------------------------------------------

absl::Status Read(Context& context, const Value& value, const std::string& path, std::string& out) {
  if (!value.is_scalar()) return context.Expected(value, path, "a text");
  out = value.text();
  return absl::OkStatus();
}

absl::Status Read(Context& context, const Value& value, const std::string& path, bool& out) {
  const std::string& text = value.text();
  const bool yes = text == "true" || text == "True" || text == "TRUE";
  const bool no = text == "false" || text == "False" || text == "FALSE";
  if (value.quoted() || (!yes && !no)) return context.Expected(value, path, "true or false");
  out = yes;
  return absl::OkStatus();
}

template <std::integral Integer>
absl::Status Read(Context& context, const Value& value, const std::string& path, Integer& out) {
  const std::string& text = value.text();
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  if (value.is_scalar() && error == std::errc() && stop == end) return absl::OkStatus();
  return context.Expected(value, path,
                          "a whole number from " +
                              std::to_string(std::numeric_limits<Integer>::min()) + " to " +
                              std::to_string(std::numeric_limits<Integer>::max()));
}

// The numbers that YAML and JSON of protobuf messages write in words.
std::string_view NumberWord(std::string_view text) {
  static constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"Infinity", "inf"}, {"-Infinity", "-inf"}, {".inf", "inf"},   {"+.inf", "inf"},
      {"-.inf", "-inf"},   {".Inf", "inf"},       {"+.Inf", "inf"},  {"-.Inf", "-inf"},
      {".INF", "inf"},     {"+.INF", "inf"},      {"-.INF", "-inf"}, {".nan", "nan"},
      {".NaN", "nan"},     {".NAN", "nan"},       {"NaN", "nan"}};
  for (const auto& [word, number] : kWords) {
    if (word == text) return number;
  }
  return text;
}

absl::Status Read(Context& context, const Value& value, const std::string& path, double& out) {
  std::string_view text = NumberWord(value.text());
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (value.is_scalar() && error == std::errc() && stop == text.data() + text.size()) {
    return absl::OkStatus();
  }
  return context.Expected(value, path, "a number that binary64 can hold");
}

absl::Status Read(Context& context, const Value& value, const std::string& path, DType& out) {
  if (!value.is_scalar()) return context.Expected(value, path, "the name of an element type");
  absl::StatusOr<DType> dtype = ParseDType(value.text());
  if (!dtype.ok()) return context.Error(value, path, std::string(dtype.status().message()));
  out = *dtype;
  return absl::OkStatus();
}

// A refusal of one of the library's parsers, which already begins with the path.
absl::Status Located(const Context& context, const Value& value, const std::string& path,
                     const absl::Status& status) {
  const std::vector<FieldViolation> violations = FieldViolations(status);
  if (violations.empty()) return context.Error(value, path, std::string(status.message()));
  return context.Error(value, violations[0].field, violations[0].description);
}

absl::Status Read(Context& context, const Value& value, const std::string& path, FanLayout& out) {
  absl::StatusOr<FanLayout> layout = ParseFanLayout(value.text(), path);
  if (!layout.ok()) return Located(context, value, path, layout.status());
  out = *layout;
  return absl::OkStatus();
}

bool IsWord(std::string_view text, std::string_view more) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [more](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           more.find(c) != std::string_view::npos;
  });
}

// {normal: {std: 0.02}} → "normal(std=0.02)": the grammar of methods stays in the library alone.
absl::StatusOr<std::string> TextForm(Context& context, const Value& value,
                                     const std::string& path) {
  if (value.size() != 1) return context.Expected(value, path, "one method with its parameters");
  const Value method = value.key(0), parameters = value.item(0);
  if (!IsWord(method.text(), "")) return context.Expected(method, path, "the name of a method");
  std::string text = SnakeCase(method.text());
  if (parameters.kind() == Document::Kind::kNull) return text;
  const std::string below = Join(path, text);
  if (parameters.kind() != Document::Kind::kMap) {
    return context.Expected(parameters, below, "a mapping of parameters");
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string name = SnakeCase(parameters.key(i).text());
    if (!IsWord(name, "")) {
      return context.Expected(parameters.key(i), below, "the name of a parameter");
    }
    if (!names.insert(name).second) {
      return context.Error(parameters.key(i), Join(below, name), "given twice");
    }
    const std::string_view number = NumberWord(parameters.item(i).text());
    if (!IsWord(number, "+-.")) {
      return context.Expected(parameters.item(i), Join(below, name), "a number or a name");
    }
    text += (i == 0 ? "(" : ", ") + name + "=" + std::string(number);
  }
  return parameters.size() == 0 ? text : text + ")";
}

absl::Status Read(Context& context, const Value& value, const std::string& path, Initializer& out) {
  std::string text = value.text();
  if (value.kind() == Document::Kind::kMap) {
    absl::StatusOr<std::string> form = TextForm(context, value, path);
    if (!form.ok()) return form.status();
    text = *std::move(form);
  } else if (!value.is_scalar()) {
    return context.Expected(value, path, "an initializer, as in \"normal(std=0.02)\"");
  }
  absl::StatusOr<Initializer> init = ParseInitializer(text, path);
  if (!init.ok() && !value.quoted() && text.find('(') != std::string::npos &&
      text.find(')') == std::string::npos) {
    return context.Error(value, path,
                         "'" + text +
                             "' ends too early: inside { } and [ ] a comma ends a text "
                             "without quotes; write \"" +
                             text + ", …)\"");
  }
  if (!init.ok()) return Located(context, value, path, init.status());
  out = *init;
  return absl::OkStatus();
}

absl::Status Read(Context& context, const Value& value, const std::string& path,
                  std::map<std::string, double>& out) {
  if (value.kind() != Document::Kind::kMap) return context.Expected(value, path, "a mapping");
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::string& name = value.key(i).text();
    const std::string below = path + "[\"" + name + "\"]";
    if (out.contains(name)) return context.Error(value.key(i), below, "given twice");
    if (absl::Status status = context.Visit(value.item(i), below); !status.ok()) return status;
    if (absl::Status status = Read(context, value.item(i), below, out[name]); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status Read(Context& context, const Value& value, const std::string& path, FanGeometry& out);
absl::Status Read(Context& context, const Value& value, const std::string& path, TensorSpec& out);
absl::Status Read(Context& context, const Value& value, const std::string& path, DrawStep& out);
absl::Status Read(Context& context, const Value& value, const std::string& path, Generator& out);
absl::Status Read(Context& context, const Value& value, const std::string& path, Rule& out);
absl::Status Read(Context& context, const Value& value, const std::string& path, Rename& out);
absl::Status Read(Context& context, const Value& value, const std::string& path, Range& out);
absl::Status Read(Context& context, const Value& value, const std::string& path, OptionalView& out);
absl::Status Read(Context& context, const Value& value, const std::string& path, Concat& out);
absl::Status Read(Context& context, const Value& value, const std::string& path, Stack& out);
absl::Status Read(Context& context, const Value& value, const std::string& path, Transpose& out);

template <typename T>
absl::Status Read(Context& context, const Value& value, const std::string& path,
                  std::optional<T>& out) {
  return Read(context, value, path, out.emplace());
}

template <typename T>
absl::Status Read(Context& context, const Value& value, const std::string& path,
                  std::vector<T>& out) {
  if (value.kind() != Document::Kind::kList) return context.Expected(value, path, "a list");
  out.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::string below = path + "[" + std::to_string(i) + "]";
    if (absl::Status status = context.Visit(value.item(i), below); !status.ok()) return status;
    if (absl::Status status = Read(context, value.item(i), below, out.emplace_back());
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

// The schema. -------------------------------------------------------------------

template <typename Class, typename Type>
Class ClassOf(Type Class::*);

template <auto Member, typename T = decltype(ClassOf(Member))>
absl::Status Set(Context& context, const Value& value, const std::string& path, T& object) {
  return Read(context, value, path, object.*Member);
}

// As in the message, where an empty text is the same as none.
template <auto Member, typename T = decltype(ClassOf(Member))>
absl::Status SetUnlessEmpty(Context& context, const Value& value, const std::string& path,
                            T& object) {
  absl::Status status = Read(context, value, path, object.*Member);
  if (status.ok() && (object.*Member)->empty()) (object.*Member).reset();
  return status;
}

absl::Status ReadVariant(Context& context, const Value& value, const std::string& path,
                         TorchCpu& torch) {
  if (!value.is_scalar()) return context.Expected(value, path, "a variant");
  absl::StatusOr<TorchCpu::Variant> variant = ParseTorchVariant(value.text(), path);
  if (!variant.ok()) return Located(context, value, path, variant.status());
  torch.variant = *variant;
  return absl::OkStatus();
}

// Bytes are base64, as in protobuf's JSON mapping.
absl::Status ReadStartState(Context& context, const Value& value, const std::string& path,
                            TorchCpu& torch) {
  if (value.is_scalar() && (absl::Base64Unescape(value.text(), &torch.start_state) ||
                            absl::WebSafeBase64Unescape(value.text(), &torch.start_state)))
    return absl::OkStatus();
  return context.Error(value, path, "not bytes in base64");
}

constexpr Field<TorchCpu> kTorchCpuFields[] = {
    {"variant", ReadVariant},
    {"torch_version", Set<&TorchCpu::torch_version>},
    {"start_state", ReadStartState},
};

absl::Status ReadJaxLayout(Context& context, const Value& value, const std::string& path,
                           JaxThreefry& jax) {
  if (!value.is_scalar()) return context.Expected(value, path, "a layout");
  auto layout = ParseJaxLayout(value.text(), path);
  if (!layout.ok()) return Located(context, value, path, layout.status());
  jax.layout = *layout;
  return absl::OkStatus();
}

constexpr Field<JaxThreefry> kJaxThreefryFields[] = {
    {"layout", ReadJaxLayout},
    {"fold_in", Set<&JaxThreefry::fold_in>},
};

// "philox_v1", "torch_cpu(variant=DEFAULT)" or {torch_cpu: {variant: DEFAULT}}.
absl::Status Read(Context& context, const Value& value, const std::string& path, Generator& out) {
  const bool message = value.kind() == Document::Kind::kMap && value.size() == 1;
  if (!message && !value.is_scalar()) return context.Expected(value, path, "a generator");
  absl::StatusOr<Generator> generator =
      ParseGenerator(message ? SnakeCase(value.key(0).text()) : value.text(), path);
  if (!generator.ok()) return Located(context, value, path, generator.status());
  out = *generator;
  if (!message || value.item(0).size() == 0) return absl::OkStatus();
  auto* torch = std::get_if<TorchCpu>(&out);
  const std::string below = Join(path, value.key(0).text());
  if (torch != nullptr) return ReadObject(context, value.item(0), below, kTorchCpuFields, *torch);
  auto* jax = std::get_if<JaxThreefry>(&out);
  if (jax != nullptr) return ReadObject(context, value.item(0), below, kJaxThreefryFields, *jax);
  return context.Error(value, below, "has no parameters; allowed: none");
}

constexpr Field<FanGeometry> kFanFields[] = {
    {"layout", Set<&FanGeometry::layout>},     {"transposed", Set<&FanGeometry::transposed>},
    {"groups", Set<&FanGeometry::groups>},     {"in_axes", Set<&FanGeometry::in_axes>},
    {"out_axes", Set<&FanGeometry::out_axes>}, {"batch_axes", Set<&FanGeometry::batch_axes>},
    {"fan_in", Set<&FanGeometry::fan_in>},     {"fan_out", Set<&FanGeometry::fan_out>},
    {"fans_of", Set<&FanGeometry::fans_of>},
};

constexpr Field<Range> kRangeFields[] = {
    {"start", Set<&Range::start>},
    {"size", Set<&Range::size>},
    {"step", Set<&Range::step>},
};

constexpr Field<ViewPart> kConcatPartFields[] = {
    {"name", Set<&ViewPart::name>},   {"size", Set<&ViewPart::size>},
    {"init", Set<&ViewPart::init>},   {"fan", Set<&ViewPart::fan>},
    {"scale", Set<&ViewPart::scale>}, {"seed", Set<&ViewPart::seed>},
    {"view", Set<&ViewPart::view>},   {"subsequence", Set<&ViewPart::subsequence>},
};

constexpr Field<ViewPart> kStackPartFields[] = {
    {"name", Set<&ViewPart::name>}, {"init", Set<&ViewPart::init>},
    {"fan", Set<&ViewPart::fan>},   {"scale", Set<&ViewPart::scale>},
    {"seed", Set<&ViewPart::seed>}, {"view", Set<&ViewPart::view>},
};

absl::Status ReadStackPart(Context& context, const Value& value, const std::string& path,
                           Stack& stack) {
  return ReadObject(context, value, path, kStackPartFields, stack.part);
}

// A concat's parts: all other lists hold objects of a type of their own.
absl::Status ReadConcatParts(Context& context, const Value& value, const std::string& path,
                             Concat& concat) {
  if (value.kind() != Document::Kind::kList) return context.Expected(value, path, "a list");
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::string below = path + "[" + std::to_string(i) + "]";
    if (absl::Status status = context.Visit(value.item(i), below); !status.ok()) return status;
    if (absl::Status status = ReadObject(context, value.item(i), below, kConcatPartFields,
                                         concat.parts.emplace_back());
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

constexpr Field<Concat> kConcatFields[] = {
    {"parts", ReadConcatParts},
    {"dim", Set<&Concat::dim>},
    {"blocks", Set<&Concat::blocks>},
};

constexpr Field<Stack> kStackFields[] = {
    {"part", ReadStackPart},
    {"count", Set<&Stack::count>},
    {"dim", Set<&Stack::dim>},
    {"first", Set<&Stack::first>},
};

constexpr Field<Transpose> kTransposeFields[] = {
    {"dims", Set<&Transpose::dims>},
    {"view", Set<&Transpose::view>},
};

// One of the kinds of a view, which exclude one another.
template <typename Kind>
absl::Status SetKind(Context& context, const Value& value, const std::string& path, View& view) {
  if (!std::holds_alternative<std::monostate>(view.kind)) {
    return context.Error(value, path,
                         "given together with another kind of view; allowed: one of concat, "
                         "stack, transpose, tied_to");
  }
  return Read(context, value, path, view.kind.emplace<Kind>());
}

absl::Status ReadTiedTo(Context& context, const Value& value, const std::string& path, View& view) {
  if (!std::holds_alternative<std::monostate>(view.kind))
    return SetKind<Transpose>(context, value, path, view);  // the same refusal
  return Read(context, value, path, view.kind.emplace<TiedTo>().name);
}

constexpr Field<View> kViewFields[] = {
    {"concat", SetKind<Concat>},          {"stack", SetKind<Stack>},
    {"transpose", SetKind<Transpose>},    {"tied_to", ReadTiedTo},
    {"zero_rows", Set<&View::zero_rows>},
};

constexpr Field<TensorSpec> kTensorFields[] = {
    {"name", Set<&TensorSpec::name>},
    {"shape", Set<&TensorSpec::shape>},
    {"dtype", Set<&TensorSpec::dtype>},
    {"init", Set<&TensorSpec::init>},
    {"fan", Set<&TensorSpec::fan>},
    {"module", Set<&TensorSpec::module>},
    {"buffer", Set<&TensorSpec::buffer>},
    {"draw_name", Set<&TensorSpec::draw_name>},
    {"subsequence", Set<&TensorSpec::subsequence>},
    {"seed", Set<&TensorSpec::seed>},
    {"scale", Set<&TensorSpec::scale>},
    {"view", Set<&TensorSpec::view>},
};

// An empty one would be none, which is said by leaving it out.
absl::Status SetScale(Context& context, const Value& value, const std::string& path, Rule& rule) {
  if (value.is_scalar() && value.text().empty())
    return context.Expected(value, path, "an expression, as in 1/sqrt(2*layers)");
  return Read(context, value, path, rule.scale);
}

constexpr Field<Rule> kRuleFields[] = {
    {"name_regex", SetUnlessEmpty<&Rule::name_regex>},
    {"module", SetUnlessEmpty<&Rule::module>},
    {"init", Set<&Rule::init>},
    {"fan", Set<&Rule::fan>},
    {"scale", SetScale},
    {"seed", Set<&Rule::seed>},
    {"skip", Set<&Rule::skip>},
    {"may_be_idle", Set<&Rule::may_be_idle>},
    {"view", Set<&Rule::view>},
};

constexpr Field<Rename> kRenameFields[] = {
    {"name_regex", Set<&Rename::name_regex>},
    {"rewrite", Set<&Rename::rewrite>},
};

constexpr Field<DrawStep> kDrawFields[] = {
    {"name", Set<&DrawStep::name>},
    {"init", Set<&DrawStep::init>},
    {"construct", Set<&DrawStep::construct>},
};

constexpr Field<Recipe> kRecipeFields[] = {
    {"generator", Set<&Recipe::generator>},
    {"seed", Set<&Recipe::seed>},
    {"default_dtype", Set<&Recipe::default_dtype>},
    {"constants", Set<&Recipe::constants>},
    {"tensors", Set<&Recipe::tensors>},
    {"rules", Set<&Recipe::rules>},
    {"renames", Set<&Recipe::renames>},
    {"draws", Set<&Recipe::draws>},
    {"allow_uncovered", Set<&Recipe::allow_uncovered>},
    {"allow_idle", Set<&Recipe::allow_idle>},
};

absl::Status Read(Context& context, const Value& value, const std::string& path, FanGeometry& out) {
  return ReadObject(context, value, path, kFanFields, out);
}
absl::Status Read(Context& context, const Value& value, const std::string& path, TensorSpec& out) {
  std::set<std::string> keys;
  if (const absl::Status status = ReadObject(context, value, path, kTensorFields, out, &keys);
      !status.ok()) {
    return status;
  }
  if (!keys.contains("name")) {
    return context.Error(value, Join(path, "name"), "missing; allowed: the tensor's name");
  }
  if (!keys.contains("shape")) {
    return context.Error(value, Join(path, "shape"),
                         "missing; allowed: a list of sizes, [] for a scalar");
  }
  return absl::OkStatus();
}
absl::Status Read(Context& context, const Value& value, const std::string& path, Rule& out) {
  return ReadObject(context, value, path, kRuleFields, out);
}
absl::Status Read(Context& context, const Value& value, const std::string& path, Rename& out) {
  return ReadObject(context, value, path, kRenameFields, out);
}
absl::Status Read(Context& context, const Value& value, const std::string& path, DrawStep& out) {
  return ReadObject(context, value, path, kDrawFields, out);
}
absl::Status Read(Context& context, const Value& value, const std::string& path, Range& out) {
  return ReadObject(context, value, path, kRangeFields, out);
}
absl::Status Read(Context& context, const Value& value, const std::string& path, Concat& out) {
  return ReadObject(context, value, path, kConcatFields, out);
}
absl::Status Read(Context& context, const Value& value, const std::string& path, Stack& out) {
  return ReadObject(context, value, path, kStackFields, out);
}
absl::Status Read(Context& context, const Value& value, const std::string& path, Transpose& out) {
  return ReadObject(context, value, path, kTransposeFields, out);
}
absl::Status Read(Context& context, const Value& value, const std::string& path,
                  OptionalView& out) {
  View view;
  absl::Status status = ReadObject(context, value, path, kViewFields, view);
  if (status.ok()) out = OptionalView(std::move(view));
  return status;
}

absl::StatusOr<RecipeFile> FromDocument(absl::StatusOr<Document> document) {
  if (!document.ok()) return document.status();
  RecipeFile file;
  file.document = std::make_shared<const Document>(*std::move(document));
  Context context{*file.document};
  if (absl::Status status =
          ReadObject(context, file.document->root(), "", kRecipeFields, file.recipe, &file.keys);
      !status.ok()) {
    return status;
  }
  return file;
}

// "recipe.yaml:12: ", "--init: ", or nothing when the place has no line.
std::string PlaceOf(std::string_view field, const RecipeOrigin& origin) {
  constexpr std::string_view kRules = "rules[";
  if (field.starts_with(kRules)) {
    std::size_t index = 0;
    std::from_chars(field.data() + kRules.size(), field.data() + field.size(), index);
    if (index >= origin.rules_in_file) return "--init: ";
  }
  const auto& document = field.starts_with("tensors") ? origin.tensors : origin.rules;
  if (document == nullptr) return "";
  return document->file() + ":" + std::to_string(document->LineOf(field)) + ": ";
}

}  // namespace

absl::StatusOr<RecipeFile> ParseRecipeFile(std::string_view text, std::string_view file) {
  return FromDocument(Document::Parse(text, file));
}

absl::StatusOr<RecipeFile> LoadRecipeFile(const std::string& path) {
  return FromDocument(Document::Load(path));
}

absl::StatusOr<FanLayout> ParseFanLayout(std::string_view text, std::string_view field) {
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  if (upper == "OUT_IN") return FanLayout::kOutIn;
  if (upper == "IN_OUT") return FanLayout::kInOut;
  return FieldError(field, "'" + std::string(text) + "' is not OUT_IN or IN_OUT");
}

absl::Status WithLines(const absl::Status& status, const RecipeOrigin& origin) {
  // The message holds each violation once, in order: alone, or on a line of its own below a
  // summary.
  std::string message(status.message());
  std::size_t at = 0;
  for (const FieldViolation& violation : FieldViolations(status)) {
    const std::size_t found = message.find(violation.field + ": ", at);
    if (found == std::string::npos) continue;
    const std::string place = PlaceOf(violation.field, origin);
    message.insert(found, place);
    at = found + place.size() + violation.field.size();
  }
  absl::Status located(status.code(), message);
  status.ForEachPayload(
      [&located](const auto& url, const absl::Cord& payload) { located.SetPayload(url, payload); });
  return located;
}

}  // namespace weightinit::client
