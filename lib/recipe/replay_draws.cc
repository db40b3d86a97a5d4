#include "lib/recipe/replay_draws.h"

#include <utility>

#include "lib/base/text.h"
#include "lib/layout/view_parts.h"
#include "lib/recipe/torch_modules.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

// The type of the module whose tensors these are: that of those that lie directly below it.
absl::StatusOr<std::string> TypeOf(const Recipe& recipe, std::span<const int> members,
                                   std::span<const std::string> names, std::size_t prefix_size,
                                   const std::string& module, const std::string& field) {
  std::string type;
  for (const int member : members) {
    const auto i = static_cast<std::size_t>(member);
    const bool direct = names[i].find('.', prefix_size) == std::string::npos;
    const std::string& own = recipe.tensors[i].module;
    if (!direct || own.empty()) continue;
    if (!type.empty() && type != own)
      return FieldError(field, Quote(module) + " holds tensors of the modules " + Quote(type) +
                                   " and " + Quote(own) + "; allowed: a module of one type");
    type = own;
  }
  if (type.empty())
    return FieldError(field, "no tensor of " + Quote(module) +
                                 " says its module; allowed: a module whose tensors do");
  return type;
}

class Follower {
 public:
  Follower(const Recipe& recipe, std::span<const std::string> names, const NameIndex& index)
      : names_(names), index_(index) {
    result_.recipe = recipe;
    result_.recipe.draws.clear();
    for (std::size_t i = 0; i < names.size(); ++i) {
      for (std::size_t dot = names[i].find('.'); dot != std::string::npos;
           dot = names[i].find('.', dot + 1))
        members_[names[i].substr(0, dot)].push_back(static_cast<int>(i));
    }
  }

  absl::Status Follow(const DrawStep& step, std::size_t k) {
    const std::string path = DrawPath(k);
    if (step.construct.empty() == step.name.empty())
      return FieldError(path, "has " + std::string(step.name.empty() ? "neither" : "both") +
                                  " name and construct; allowed: one of the two");
    if (!step.construct.empty()) {
      if (step.init.has_value())
        return FieldError(path + ".init",
                          "given together with construct, which has its own; allowed: none");
      return Construct(CanonicalName(step.construct), k);
    }
    const std::string name = CanonicalName(step.name);
    const auto found = index_.find(name);
    if (found == index_.end()) {
      const std::vector<std::string_view> candidates(names_.begin(), names_.end());
      const std::vector<std::string> nearest = Nearest(name, candidates, 1);
      return FieldError(path + ".name",
                        Quote(step.name) + " is no tensor of this recipe" +
                            (nearest.empty() ? "" : "; nearest: " + Quote(nearest[0])));
    }
    const TensorSpec& spec = result_.recipe.tensors[static_cast<std::size_t>(found->second)];
    if (IsTied(spec.view))
      return FieldError(path + ".name", Quote(step.name) +
                                            " is tied to another tensor; allowed: "
                                            "tensors with elements of their own");
    Add(found->second, step.init, k);
    return absl::OkStatus();
  }

  // Where a tensor's last draw has an init of its own, that becomes the tensor's; what earlier
  // draws took from the tensor is then said by themselves.
  absl::StatusOr<ReplayDraws> Take() {
    for (std::size_t d = 0; d < result_.recipe.draws.size(); ++d) {
      DrawStep& step = result_.recipe.draws[d];
      const int tensor = index_.at(step.name);
      if (step.init.has_value() || !last_init_.at(tensor).has_value()) continue;
      step.init = result_.recipe.tensors[static_cast<std::size_t>(tensor)].init;
      if (step.init.has_value()) continue;
      return FieldError(DrawPath(static_cast<std::size_t>(result_.origin[d])) + ".init",
                        "missing, as a later draw says how " + Quote(step.name) +
                            " is drawn and the tensor does not; allowed: an initializer");
    }
    for (const auto& [tensor, init] : last_init_) {
      if (init.has_value()) result_.recipe.tensors[static_cast<std::size_t>(tensor)].init = init;
    }
    return std::move(result_);
  }

 private:
  void Add(int tensor, const std::optional<Initializer>& init, std::size_t k) {
    last_init_[tensor] = init;
    DrawStep step;
    step.name = names_[static_cast<std::size_t>(tensor)];
    step.init = init;
    result_.recipe.draws.push_back(std::move(step));
    result_.origin.push_back(static_cast<int>(k));
  }

  absl::Status Construct(const std::string& module, std::size_t k) {
    const std::string field = DrawPath(k) + ".construct";
    const auto found = members_.find(module);
    if (found == members_.end())
      return FieldError(field, Quote(module) + " is no prefix of a tensor's name");
    const std::size_t prefix_size = module.size() + 1;
    auto type = TypeOf(result_.recipe, found->second, names_, prefix_size, module, field);
    if (!type.ok()) return type.status();
    std::vector<ModuleTensor> tensors;
    for (const int member : found->second) {
      const auto i = static_cast<std::size_t>(member);
      const std::string_view name = names_[i];
      if (IsTied(result_.recipe.tensors[i].view))
        return FieldError(field, Quote(name) +
                                     " is tied to another tensor, which takes the place of what is "
                                     "drawn here; allowed: draws by name, as {name, init} of that "
                                     "tensor before its own last draw");
      tensors.push_back({name.substr(prefix_size), result_.recipe.tensors[i].shape});
    }
    auto steps = ConstructModule(*type, tensors, field);
    if (!steps.ok()) return steps.status();
    for (const ConstructionStep& step : *steps) Add(found->second[step.tensor], step.init, k);
    return absl::OkStatus();
  }

  std::span<const std::string> names_;
  const NameIndex& index_;
  std::unordered_map<std::string, std::vector<int>> members_;  // of every prefix, in order
  std::unordered_map<int, std::optional<Initializer>> last_init_;
  ReplayDraws result_;
};

}  // namespace

absl::StatusOr<ReplayDraws> FollowDraws(const Recipe& recipe, std::span<const std::string> names,
                                        const NameIndex& index) {
  Follower follower(recipe, names, index);
  for (std::size_t k = 0; k < recipe.draws.size(); ++k) {
    const absl::Status status = follower.Follow(recipe.draws[k], k);
    if (!status.ok()) return status;
  }
  return follower.Take();
}

}  // namespace weightinit
