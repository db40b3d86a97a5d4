// The flags that say what is drawn: one tensor, or a recipe.
//
//   tensor --shape 256,128 --init … [--name …]
//   model  RECIPE [--rules FILE] [--init …] [--only REGEX] [--rank R --world-size W --dim D]
//   plan, digest: either
//   verify FILE --recipe RECIPE …
#ifndef WEIGHTINIT_CLIENT_CLI_SPEC_FLAGS_H_
#define WEIGHTINIT_CLIENT_CLI_SPEC_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/backend.h"
#include "client/cli/constant_flags.h"
#include "client/cli/init_flags.h"
#include "client/cli/shard.h"
#include "client/formats/recipe_file.h"
#include "weightinit/recipe.h"
#include "weightinit/selection.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace weightinit::client {

// What was asked for, not yet resolved.
struct Spec {
  Recipe recipe;
  RecipeOrigin origin;
  bool single_tensor = false;  // from --shape: there is no recipe for people to know of
};

class SpecFlags {
 public:
  enum class Takes { kTensor, kRecipe, kEither, kRecipeFlag };

  explicit SpecFlags(Takes takes) : takes_(takes) {}

  // `this` must outlive the parsing. `recipe_help` describes the positional argument.
  void AddTo(CLI::App& app, const std::string& recipe_help);

  const std::string& recipe() const { return recipe_; }
  bool has_initializers() const { return init_.given() || !rules_.empty(); }

  // For what reads RECIPE and asks nothing else. Errors (usage): any other flag that was given.
  absl::Status CheckRecipeAlone() const;

  // Reads files and flags. Errors: usage; those of the files.
  absl::StatusOr<Spec> Load() const;

  // Load and Resolve; errors name file and line.
  absl::StatusOr<Model> Resolve(const Spec& spec) const;

  // An error about what was loaded, with file and line, and what the flags can do about it.
  static absl::Status Located(const absl::Status& status, const Spec& spec);

  // What --only, --slice and --rank select; empty: everything. Errors: usage, NOT_FOUND, those of
  // ParseSlice.
  absl::StatusOr<std::vector<Selection>> Select(const Model& model) const;

  // What --rank and its kin say; by default of one rank.
  const Shard& shard() const { return shard_; }
  bool has_only() const { return !only_.empty(); }
  // Whether a part of the tensors was asked for.
  bool has_part() const { return !slice_.empty() || has_rank_; }

  // What is odd about the flags: that no tensor has the dimension of --dim; that a replayed
  // script's order is taken from a checkpoint.
  std::vector<std::string> Warnings(const Model& model) const;

  // "philox_v1, seed 0 (the default; --seed sets it)", "torch_cpu AVX2 2.11, from a start_state"
  std::string StartText(const Generator& generator, std::uint64_t seed) const;
  // The same, of philox_v1 without its name.
  std::string SeedText(const Generator& generator, std::uint64_t seed) const;

 private:
  void AddTensorTo(CLI::App& app);
  void AddShardTo(CLI::App& app);
  absl::Status CheckShard() const;
  absl::StatusOr<std::vector<Selection>> SelectByName(const Model& model) const;
  absl::StatusOr<Spec> LoadTensor() const;
  absl::StatusOr<Spec> LoadRecipe() const;
  absl::Status ApplyCommon(Recipe& recipe) const;
  absl::StatusOr<std::optional<FanGeometry>> Fan() const;

  const Takes takes_;
  InitFlags init_;
  ConstantFlags constants_;
  std::string recipe_, rules_, only_;
  std::optional<std::string> shape_;
  std::string name_, dtype_, slice_, generator_;
  std::optional<std::string> draw_name_;
  std::optional<std::uint64_t> seed_, subsequence_;
  std::string layout_, in_axes_, out_axes_, batch_axes_;
  std::optional<double> fan_in_, fan_out_;
  bool transposed_ = false;
  Shard shard_;
  bool has_rank_ = false, has_world_size_ = false, has_dim_ = false;
  std::vector<const CLI::Option*> options_;  // all of the above but RECIPE
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_SPEC_FLAGS_H_
