#include "client/cli/spec_flags.h"

#include <CLI/App.hpp>
#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>
#include <utility>

#include "client/cli/exit_code.h"
#include "client/cli/flag_value.h"
#include "client/cli/recipe_source.h"
#include "client/cli/replay_text.h"
#include "client/formats/nearest.h"
#include "re2/re2.h"
#include "weightinit/status.h"

namespace weightinit::client {
namespace {

// "256,128", "[256, 128]", "256x128"; "" and "()" are a scalar's.
absl::StatusOr<std::vector<std::int64_t>> ParseIntegers(const std::string& flag,
                                                        std::string_view text) {
  const absl::Status error = UsageError(flag + ": '" + std::string(text) +
                                        "' is not a list of whole numbers, as in 256,128");
  const auto trim = [](std::string_view part) {
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    return part;
  };
  std::string_view rest = trim(text);
  if (rest.size() >= 2 && ((rest.front() == '[' && rest.back() == ']') ||
                           (rest.front() == '(' && rest.back() == ')'))) {
    rest = trim(rest.substr(1, rest.size() - 2));
  }
  if (rest.ends_with(',')) rest.remove_suffix(1);  // Python's (256,)
  std::vector<std::int64_t> numbers;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(",x"), rest.size());
    const std::string_view part = trim(rest.substr(0, end));
    std::int64_t number = 0;
    const auto [stop, code] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (part.empty() || code != std::errc() || stop != part.data() + part.size()) return error;
    numbers.push_back(number);
    if (end + 1 == rest.size()) return error;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return numbers;
}

// Paths of the message's fields become the flags that they are here.
absl::Status WithFlagNames(const absl::Status& status) {
  static const RE2 kFan(R"((?:tensor\.)?fan\.(fan|in|out|batch)_(in|out|axes))");
  static const RE2 kOneWord(R"((?:tensor\.)?fan\.(groups|layout|transposed))");
  std::string message(status.message());
  RE2::GlobalReplace(&message, kFan, R"(--\1-\2)");
  RE2::GlobalReplace(&message, kOneWord, R"(--\1)");
  RE2::GlobalReplace(&message, ", or fan\\.fans_of", "");  // means siblings, and there are none
  absl::Status named(status.code(), message);
  status.ForEachPayload(
      [&named](const auto& url, const absl::Cord& payload) { named.SetPayload(url, payload); });
  return named;
}

}  // namespace

void SpecFlags::AddTo(CLI::App& app, const std::string& recipe_help) {
  if (takes_ != Takes::kTensor) {
    const char* name = takes_ == Takes::kRecipeFlag ? "--recipe" : "recipe";
    auto* recipe = app.add_option(name, recipe_, recipe_help)->type_name("RECIPE");
    if (takes_ != Takes::kEither) recipe->required();
    app.add_option("--rules", rules_,
                   "take rules, seed and generator from this recipe, and the tensors from RECIPE")
        ->type_name("FILE")
        ->check(NonEmpty());
    constants_.AddTo(app);
    app.add_option("--only", only_, "only tensors whose whole name matches (RE2)")
        ->type_name("REGEX")
        ->check(NonEmpty());
  }
  init_.AddTo(app);
  AddNumber<std::uint64_t>(app, "--seed", seed_,
                           "seed, any 64-bit number [default: 0, or the recipe's]");
  app.add_option(
         "--generator", generator_,
         "where random words come from, as torch_cpu, jax_threefry or \"torch_cpu(variant=DEFAULT, "
         "torch_version=1.13)\" [default: philox_v1]")
      ->type_name("NAME")
      ->check(NonEmpty());
  app.add_option("--dtype", dtype_,
                 takes_ == Takes::kTensor
                     ? "element type [default: float32]"
                     : "element type [default: float32]; of a recipe: of all its tensors that hold "
                       "floating-point numbers")
      ->type_name("DTYPE")
      ->check(NonEmpty());
  app.add_option(
         "--slice", slice_,
         takes_ == Takes::kTensor
             ? "part of it, in NumPy's notation: 0:128,: or flat:0:100"
             : "part of one tensor, in NumPy's notation: 0:128,: or flat:0:100; of a recipe: "
               "of the one that --only leaves")
      ->type_name("SLICE");

  if (takes_ != Takes::kTensor) AddShardTo(app);

  const char* geometry = "Fan geometry";
  app.add_option("--layout", layout_, "out_in: (out, in, k…) as torch; in_out: (k…, in, out)")
      ->type_name("LAYOUT")
      ->group(geometry);
  app.add_flag("--transposed", transposed_, "of a transposed convolution")->group(geometry);
  app.add_option("--in-axes", in_axes_, "axes of the input, as in JAX; negative from the end")
      ->type_name("AXES")
      ->group(geometry);
  app.add_option("--out-axes", out_axes_, "axes of the output")->type_name("AXES")->group(geometry);
  app.add_option("--batch-axes", batch_axes_, "axes that are neither")
      ->type_name("AXES")
      ->group(geometry);
  AddNumber<double>(app, "--fan-in", fan_in_, "the input fan itself")->group(geometry);
  AddNumber<double>(app, "--fan-out", fan_out_, "the output fan itself")->group(geometry);
  if (takes_ == Takes::kTensor || takes_ == Takes::kEither) AddTensorTo(app);
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) options_.push_back(option);
  }
}

void SpecFlags::AddShardTo(CLI::App& app) {
  const char* group = "The part of one rank";
  const auto add = [&](const std::string& flag, auto& target, bool& given, const char* help,
                       auto least, auto most) {
    const auto take = [&target, &given, flag, least, most](const std::string& text) {
      const auto number = ParseNumber(flag, text, least, most);
      if (!number.ok()) throw CLI::ValidationError(std::string(number.status().message()));
      target = *number;
      given = true;
    };
    app.add_option_function<std::string>(flag, take, help)->type_name("N")->group(group);
  };
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  add("--rank", shard_.rank, has_rank_,
      "the rank, from 0: its chunk of every tensor, as torch.chunk (FSDP2, DTensor's Shard) cuts; "
      "tensors without that dimension are whole",
      std::int64_t{0}, kMost);
  add("--world-size", shard_.world_size, has_world_size_, "how many ranks there are",
      std::int64_t{1}, kMost);
  add("--dim", shard_.dim, has_dim_,
      "the dimension that is cut, negative from the end [default: 0]", -kMaxRank, kMaxRank - 1);
}

absl::Status SpecFlags::CheckShard() const {
  if (!has_rank_ && !has_world_size_ && !has_dim_) return absl::OkStatus();
  if (!has_rank_ || !has_world_size_) {
    return UsageError("--rank R and --world-size W go together, as in --rank 0 --world-size 8");
  }
  if (shard_.rank >= shard_.world_size) {
    return UsageError("--rank: " + std::to_string(shard_.rank) + " is not below --world-size " +
                      std::to_string(shard_.world_size));
  }
  if (!slice_.empty()) return UsageError("--slice and --rank: only one of them can say the part");
  return absl::OkStatus();
}

void SpecFlags::AddTensorTo(CLI::App& app) {
  const char* tensor = "One tensor";
  app.add_option("--shape", shape_, "full shape, as in 256,128; '' is a scalar")
      ->type_name("DIMS")
      ->group(tensor);
  app.add_option("--name", name_, "name, which keys the random words [default: empty]")
      ->type_name("NAME")
      ->group(tensor);
  app.add_option("--draw-name", draw_name_, "what keys the random words instead of the name")
      ->type_name("NAME")
      ->group(tensor);
  AddNumber<std::uint64_t>(app, "--subsequence", subsequence_,
                           "the 64-bit subsequence itself, instead of a name")
      ->group(tensor);
}

absl::Status SpecFlags::CheckRecipeAlone() const {
  for (const CLI::Option* option : options_) {
    if (option->count() == 0) continue;
    return UsageError(option->get_name() + " says what to draw, but nothing is drawn of " +
                      recipe_ + " without --init or --rules: its bytes are read");
  }
  return absl::OkStatus();
}

absl::StatusOr<Spec> SpecFlags::Load() const {
  if (absl::Status status = CheckShard(); !status.ok()) return status;
  if (takes_ == Takes::kTensor && !shape_.has_value()) {
    return UsageError("--shape is missing, as in --shape 256,128");
  }
  if (takes_ == Takes::kEither && shape_.has_value() == !recipe_.empty()) {
    return UsageError(recipe_.empty() ? "a RECIPE or --shape is missing"
                                      : "a RECIPE and --shape: only one of them can be drawn");
  }
  absl::StatusOr<Spec> spec = shape_.has_value() ? LoadTensor() : LoadRecipe();
  if (!spec.ok()) return spec;
  if (absl::Status status = ApplyCommon(spec->recipe); !status.ok()) return status;
  return spec;
}

absl::StatusOr<Spec> SpecFlags::LoadTensor() const {
  if (!init_.given()) return UsageError("--init is missing, as in --init 'normal(std=0.02)'");
  if (!rules_.empty() || !only_.empty() || constants_.given()) {
    return UsageError("--rules, --constant and --only go with a RECIPE, not with --shape");
  }
  Spec spec;
  spec.single_tensor = true;
  TensorSpec& tensor = spec.recipe.tensors.emplace_back();
  tensor.name = name_;
  tensor.draw_name = draw_name_;
  tensor.subsequence = subsequence_;
  absl::StatusOr<std::vector<std::int64_t>> shape = ParseIntegers("--shape", *shape_);
  if (!shape.ok()) return shape.status();
  tensor.shape = *std::move(shape);
  absl::StatusOr<Initializer> init = init_.Parse();
  if (!init.ok()) return init.status();
  tensor.init = *init;
  absl::StatusOr<std::optional<FanGeometry>> fan = Fan();
  if (!fan.ok()) return fan.status();
  tensor.fan = *fan;
  if (const std::string& scale = init_.Value("scale"); !scale.empty() && !init_.Takes("scale")) {
    absl::StatusOr<double> number = ParseNumber<double>("--scale", scale);
    if (!number.ok()) return number.status();
    tensor.scale = *number;
  }
  return spec;
}

absl::StatusOr<Spec> SpecFlags::LoadRecipe() const {
  if (!name_.empty() || draw_name_.has_value() || subsequence_.has_value()) {
    return UsageError("--name, --draw-name and --subsequence go with --shape alone");
  }
  absl::StatusOr<LoadedRecipe> loaded = client::LoadRecipe(recipe_, rules_);
  if (!loaded.ok()) return loaded.status();
  Spec spec;
  spec.recipe = std::move(loaded->recipe);
  spec.origin = std::move(loaded->origin);
  if (absl::Status status = constants_.ApplyTo(spec.recipe); !status.ok()) return status;

  absl::StatusOr<std::optional<FanGeometry>> fan = Fan();
  if (!fan.ok()) return fan.status();
  if (!init_.Value("scale").empty() && !init_.Takes("scale")) {
    return UsageError("--scale goes with --shape, or with a method that has it");
  }
  if (!init_.given()) {
    if (fan->has_value()) return UsageError("flags of fan geometry go with --init");
    if (absl::Status status = init_.CheckNoParameters(); !status.ok()) return status;
    return spec;
  }
  absl::StatusOr<Initializer> init = init_.Parse();
  if (!init.ok()) return init.status();
  // For whatever the recipe leaves open; Resolve refuses it where that is nothing.
  Rule& rule = spec.recipe.rules.emplace_back();
  rule.name_regex = ".*";
  rule.init = *init;
  rule.fan = *fan;
  rule.may_be_idle = true;
  return spec;
}

absl::Status SpecFlags::ApplyCommon(Recipe& recipe) const {
  if (seed_.has_value()) recipe.seed = *seed_;
  if (!generator_.empty()) {
    absl::StatusOr<Generator> generator = ParseGenerator(generator_, "--generator");
    if (!generator.ok()) return AsUsageError(generator.status());
    recipe.generator = *generator;
  }
  if (dtype_.empty()) return absl::OkStatus();
  absl::StatusOr<DType> dtype = ParseDType(dtype_, "--dtype");
  if (!dtype.ok()) return AsUsageError(dtype.status());
  for (TensorSpec& tensor : recipe.tensors) {
    if (!tensor.dtype.has_value() || IsFloatingPoint(*tensor.dtype)) tensor.dtype = *dtype;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<FanGeometry>> SpecFlags::Fan() const {
  FanGeometry fan;
  fan.transposed = transposed_;
  fan.fan_in = fan_in_;
  fan.fan_out = fan_out_;
  if (!layout_.empty()) {
    absl::StatusOr<FanLayout> layout = ParseFanLayout(layout_, "--layout");
    if (!layout.ok()) return AsUsageError(layout.status());
    fan.layout = *layout;
  }
  if (const std::string& groups = init_.Value("groups");
      !groups.empty() && !init_.Takes("groups")) {
    absl::StatusOr<std::int64_t> number = ParseNumber<std::int64_t>("--groups", groups);
    if (!number.ok()) return number.status();
    fan.groups = *number;
  }
  const std::pair<const std::string&, std::vector<std::int64_t>&> axes[] = {
      {in_axes_, fan.in_axes}, {out_axes_, fan.out_axes}, {batch_axes_, fan.batch_axes}};
  constexpr std::string_view kFlags[] = {"--in-axes", "--out-axes", "--batch-axes"};
  for (std::size_t i = 0; i < std::size(axes); ++i) {
    absl::StatusOr<std::vector<std::int64_t>> numbers =
        ParseIntegers(std::string(kFlags[i]), axes[i].first);
    if (!numbers.ok()) return numbers.status();
    axes[i].second = *std::move(numbers);
  }
  if (fan == FanGeometry{}) return std::nullopt;
  return fan;
}

absl::Status SpecFlags::Located(const absl::Status& status, const Spec& spec) {
  if (spec.single_tensor) return WithFlagNames(status);
  return WithConstantHint(WithLines(status, spec.origin));
}

absl::StatusOr<Model> SpecFlags::Resolve(const Spec& spec) const {
  if (spec.single_tensor) {
    absl::StatusOr<ModelPlan> plan =
        ResolveTensor(spec.recipe.tensors[0], spec.recipe.seed, spec.recipe.generator);
    if (!plan.ok()) return Located(plan.status(), spec);
    return Model{spec.recipe, *std::move(plan)};
  }
  absl::StatusOr<ModelPlan> plan = weightinit::Resolve(spec.recipe);
  if (!plan.ok()) return Located(plan.status(), spec);
  const auto& rules = plan->coverage.rule_of_tensor;
  const auto own = static_cast<int>(spec.origin.rules_in_file);
  if (init_.given() && !rules.empty() &&
      std::find(rules.begin(), rules.end(), own) == rules.end()) {
    return absl::FailedPreconditionError(
        "--init is used for no tensor: the recipe itself says how each of them is drawn");
  }
  return Model{spec.recipe, *std::move(plan)};
}

absl::StatusOr<std::vector<Selection>> SpecFlags::SelectByName(const Model& model) const {
  std::vector<Selection> selections;
  if (only_.empty()) return selections;
  const RE2 regex(only_, RE2::Quiet);
  if (!regex.ok()) return UsageError("--only: " + regex.error());
  bool part = false;  // of some name
  std::vector<std::string_view> names;
  for (const TensorPlan& tensor : model.plan.tensors) {
    if (RE2::FullMatch(tensor.name, regex)) selections.push_back({.name = tensor.name});
    part = part || RE2::PartialMatch(tensor.name, regex);
    names.push_back(tensor.name);
  }
  if (selections.empty()) {
    const std::string near(Nearest(only_, names));
    return absl::NotFoundError("--only: '" + only_ + "' matches the whole name of no tensor" +
                               (part           ? "; try '.*(" + only_ + ").*'"
                                : near.empty() ? ""
                                               : "; did you mean '" + near + "'?"));
  }
  return selections;
}

absl::StatusOr<std::vector<Selection>> SpecFlags::Select(const Model& model) const {
  absl::StatusOr<std::vector<Selection>> chosen = SelectByName(model);
  if (!chosen.ok()) return chosen;
  std::vector<Selection>& selections = *chosen;
  const std::vector<TensorPlan>& tensors = model.plan.tensors;
  if (has_rank_) {
    if (selections.empty()) {
      for (const TensorPlan& tensor : tensors) selections.emplace_back().name = tensor.name;
    }
    std::size_t next = 0;
    for (Selection& selection : selections) {
      while (tensors[next].name != selection.name) ++next;  // both in recipe order
      selection.slice = SliceOf(tensors[next].shape, shard_);
    }
    return selections;
  }
  if (slice_.empty()) return selections;

  if (selections.empty() && tensors.size() == 1) selections.push_back({.name = tensors[0].name});
  if (selections.size() != 1) {
    const std::size_t count = selections.empty() ? tensors.size() : selections.size();
    return UsageError("--slice is part of one tensor, not of " + std::to_string(count) +
                      "; --only picks one");
  }
  const auto tensor = std::find_if(tensors.begin(), tensors.end(), [&](const TensorPlan& known) {
    return known.name == selections[0].name;
  });
  absl::StatusOr<Slice> slice = ParseSlice(slice_, tensor->shape, "--slice");
  if (!slice.ok()) {
    static const RE2 kSlice(R"((flat:)?[-+0-9:., ]*)");
    return RE2::FullMatch(slice_, kSlice) ? slice.status() : AsUsageError(slice.status());
  }
  selections[0].slice = *std::move(slice);
  return selections;
}

std::vector<std::string> SpecFlags::Warnings(const Model& model) const {
  std::vector<std::string> warnings;
  const std::vector<TensorPlan>& tensors = model.plan.tensors;
  const auto is_cut = [&](const TensorPlan& tensor) {
    return CutDim(tensor.shape, shard_).has_value();
  };
  if (has_dim_ && !tensors.empty() && std::none_of(tensors.begin(), tensors.end(), is_cut)) {
    warnings.push_back("--dim " + std::to_string(shard_.dim) +
                       ": no tensor has this dimension, so that each rank has all of them whole");
  }
  if (std::holds_alternative<TorchCpu>(model.recipe.generator) && model.recipe.draws.empty() &&
      tensors.size() > 1 && IsCheckpoint(recipe_)) {
    warnings.push_back("torch_cpu draws the tensors in the order in which " + recipe_ +
                       " holds them, which need not be the script's; draws in the recipe of "
                       "--rules says the script's");
  }
  return warnings;
}

std::string SpecFlags::StartText(const Generator& generator, std::uint64_t seed) const {
  const std::string start = SeedText(generator, seed);
  return std::holds_alternative<PhiloxV1>(generator) ? GeneratorText(generator) + ", " + start
                                                     : start;
}

std::string SpecFlags::SeedText(const Generator& generator, std::uint64_t seed) const {
  const std::string of =
      std::holds_alternative<PhiloxV1>(generator) ? "" : GeneratorText(generator) + ", ";
  if (StartsFromState(generator)) return of + "from a start_state";
  return of + "seed " + std::to_string(seed) +
         (seed == 0 && !seed_.has_value() ? " (the default; --seed sets it)" : "");
}

}  // namespace weightinit::client
