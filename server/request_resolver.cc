#include "server/request_resolver.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "server/refusals.h"
#include "weightinit/status.h"

namespace weightinit::server {
namespace {

// The same status, with its fields below `prefix`: errors of a tensor that stands alone begin with
// "tensor", wherever the request has it.
absl::Status Below(const std::string& prefix, const absl::Status& status) {
  std::vector<FieldViolation> violations = FieldViolations(status);
  if (violations.empty()) return status;
  for (FieldViolation& violation : violations) violation.field.insert(0, prefix);
  if (violations.size() == 1) {
    return FieldError(violations[0].field, violations[0].description, status.code());
  }
  const std::string message(status.message());
  return FieldErrors(message.substr(0, message.find('\n')), violations, status.code());
}

// The library's refusal says which limit; the details repeat it for programs.
absl::Status WithLimitDetails(const absl::Status& status, const Limits& limits) {
  const std::vector<FieldViolation> violations = FieldViolations(status);
  if (status.code() != absl::StatusCode::kResourceExhausted || violations.empty()) return status;
  const std::string& limit = violations[0].field;
  const std::int64_t value =
      limit == "max_matrix_bytes" ? limits.max_matrix_bytes : limits.max_response_bytes;
  return proto::WithDetails(
      status,
      {.reason = std::string(proto::kLimitExceeded),
       .metadata = {{"limit", limit}, {"value", std::to_string(value)}, {"flag", FlagOf(limit)}},
       .retry_delay = {}});
}

template <typename Request>
absl::StatusOr<std::decay_t<decltype(*proto::FromProto(std::declval<Request>()))>> Read(
    const Request& request) {
  if (absl::Status status = proto::RejectUnknown(request); !status.ok()) return status;
  return proto::FromProto(request);
}

// The recipe's plan, or that of the tensor that a selection brings along: a model of its own, with
// the recipe's generator, seed and default dtype.
absl::StatusOr<std::shared_ptr<const ModelPlan>> PlanOfSelection(
    const proto::RecipeSource& source, const std::shared_ptr<const ModelPlan>& plan,
    const proto::RequestedSelection& selection, const std::string& path) {
  if (!selection.tensor) return plan;
  const Recipe* recipe = std::get_if<Recipe>(&source);
  if (recipe == nullptr) {
    return FieldError(path + ".tensor",
                      "stands beside a fingerprint, which knows no default dtype; allowed: beside "
                      "the recipe itself");
  }
  TensorSpec tensor = *selection.tensor;
  if (!tensor.dtype) tensor.dtype = recipe->default_dtype;
  absl::StatusOr<ModelPlan> own = ResolveTensor(tensor, recipe->seed, recipe->generator);
  if (!own.ok()) return Below(path + ".", own.status());
  return std::make_shared<const ModelPlan>(*std::move(own));
}

}  // namespace

RequestResolver::RequestResolver(const ServerOptions& options)
    : limits_(options.limits),
      max_tensors_(options.max_tensors),
      max_rules_(options.max_rules),
      max_request_bytes_(options.max_request_bytes),
      recipes_(options.recipe_cache_bytes) {}

absl::StatusOr<ResolvedRequest> RequestResolver::Resolve(const v1::InitializeTensorRequest& message,
                                                         const std::function<bool()>&) {
  auto request = Read(message);
  if (!request.ok()) return request.status();
  absl::StatusOr<ModelPlan> resolved =
      ResolveTensor(request->tensor, request->seed, request->generator);
  if (!resolved.ok()) return resolved.status();
  const auto plan = std::make_shared<const ModelPlan>(*std::move(resolved));

  request->selection.name = plan->tensors[0].name;
  absl::StatusOr<BoundSelection> selection = Bind(*plan, request->selection, "");
  if (!selection.ok()) return selection.status();
  std::vector<PlannedSelection> selections = {{plan, *std::move(selection)}};
  if (absl::Status status = CheckLimits(selections); !status.ok()) return status;
  // The header's fingerprint is that of a recipe with this tensor alone, and may be used as such.
  recipes_.Insert(plan);
  return ResolvedRequest{std::move(selections), request->check};
}

absl::StatusOr<ResolvedRequest> RequestResolver::Resolve(const v1::InitializeModelRequest& message,
                                                         const std::function<bool()>& cancelled) {
  if (absl::Status status = CheckRecipe(message.recipe()); !status.ok()) return status;
  auto request = Read(message);
  if (!request.ok()) return request.status();
  auto selections = SelectionsOf(request->source, request->selections, cancelled);
  if (!selections.ok()) return selections.status();
  return ResolvedRequest{*std::move(selections), request->check};
}

absl::StatusOr<ResolvedSummary> RequestResolver::Resolve(const v1::SummarizeRequest& message,
                                                         const std::function<bool()>& cancelled) {
  if (absl::Status status = CheckRecipe(message.recipe()); !status.ok()) return status;
  auto request = Read(message);
  if (!request.ok()) return request.status();
  constexpr int kMaxHistogramBins = 1024;  // of the API; keeps an answer within a few kilobytes
  if (request->histogram_bins > kMaxHistogramBins) {
    return FieldError("histogram_bins", std::to_string(message.histogram_bins()) +
                                            "; allowed: 0 to " + std::to_string(kMaxHistogramBins));
  }
  auto selections = SelectionsOf(request->source, request->selections, cancelled);
  if (!selections.ok()) return selections.status();
  return ResolvedSummary{*std::move(selections), request->histogram_bins};
}

absl::StatusOr<std::vector<v1::PlanResponse>> RequestResolver::Plan(
    const v1::PlanRequest& message, const std::function<bool()>& cancelled) {
  if (absl::Status status = CheckRecipe(message.recipe()); !status.ok()) return status;
  if (absl::Status status = proto::RejectUnknown(message); !status.ok()) return status;
  if (!message.has_recipe()) return FieldError("recipe", "required");
  absl::StatusOr<Recipe> recipe = proto::FromProto(message.recipe(), "");
  if (!recipe.ok()) return recipe.status();

  // Gaps in the coverage are what a plan is there to show: they are data, not an error.
  Recipe relaxed = *recipe;
  relaxed.allow_uncovered = true;
  relaxed.allow_idle = true;
  absl::StatusOr<ModelPlan> resolved = weightinit::Resolve(relaxed, cancelled);
  if (!resolved.ok()) return resolved.status();
  const auto plan = std::make_shared<const ModelPlan>(*std::move(resolved));
  if (proto::IsDrawable(plan->coverage, *recipe)) recipes_.Insert(plan);
  return proto::PlanToProto(*plan, *recipe);
}

absl::Status RequestResolver::CheckRecipe(const v1::Recipe& recipe) const {
  const std::int64_t tensors = recipe.tensors_size();
  if (tensors > max_tensors_) {
    return LimitExceeded("max_tensors", max_tensors_, tensors,
                         "the recipe has " + std::to_string(tensors) + " tensors");
  }
  const std::int64_t rules = std::int64_t{recipe.rules_size()} + recipe.renames_size();
  if (rules > max_rules_) {
    return LimitExceeded("max_rules", max_rules_, rules,
                         "the recipe has " + std::to_string(rules) + " rules and renames");
  }
  return absl::OkStatus();
}

absl::Status RequestResolver::CheckRequestBytes(std::size_t bytes) const {
  const auto requested = static_cast<std::int64_t>(bytes);
  if (requested <= max_request_bytes_) return absl::OkStatus();
  return LimitExceeded("max_request_bytes", max_request_bytes_, requested,
                       "the request has " + std::to_string(requested) + " bytes");
}

absl::StatusOr<std::shared_ptr<const ModelPlan>> RequestResolver::PlanOf(
    const proto::RecipeSource& source, const std::function<bool()>& cancelled) {
  if (const Fingerprint* fingerprint = std::get_if<Fingerprint>(&source)) {
    return recipes_.Find(*fingerprint);
  }
  absl::StatusOr<ModelPlan> resolved = weightinit::Resolve(std::get<Recipe>(source), cancelled);
  if (!resolved.ok()) return resolved.status();
  auto plan = std::make_shared<const ModelPlan>(*std::move(resolved));
  recipes_.Insert(plan);
  return plan;
}

absl::StatusOr<std::vector<PlannedSelection>> RequestResolver::SelectionsOf(
    const proto::RecipeSource& source, const std::vector<proto::RequestedSelection>& selections,
    const std::function<bool()>& cancelled) {
  auto plan = PlanOf(source, cancelled);
  if (!plan.ok()) return plan.status();

  std::vector<PlannedSelection> planned;
  if (selections.empty()) {
    for (BoundSelection& one : SelectAll(**plan)) planned.push_back({*plan, std::move(one)});
  } else {
    std::vector<std::shared_ptr<const ModelPlan>> plans;
    std::vector<SelectionOf> named;
    for (std::size_t i = 0; i < selections.size(); ++i) {
      auto own = PlanOfSelection(source, *plan, selections[i],
                                 proto::FieldPath("", "selections", static_cast<int>(i)));
      if (!own.ok()) return own.status();
      Selection selection = selections[i].selection;
      if (selections[i].tensor) selection.name = (*own)->tensors[0].name;
      named.push_back({own->get(), std::move(selection)});
      plans.push_back(*std::move(own));
    }
    auto bound = BindAll(named);
    if (!bound.ok()) return bound.status();
    for (std::size_t i = 0; i < bound->size(); ++i) {
      planned.push_back({std::move(plans[i]), std::move((*bound)[i])});
    }
  }
  if (absl::Status status = CheckLimits(planned); !status.ok()) return status;
  return planned;
}

absl::Status RequestResolver::CheckLimits(const std::vector<PlannedSelection>& selections) const {
  std::vector<BoundSelectionOf> bound;
  bound.reserve(selections.size());
  for (const PlannedSelection& one : selections) bound.push_back({one.plan.get(), &one.selection});
  return WithLimitDetails(weightinit::CheckLimits(bound, limits_), limits_);
}

absl::Status LimitExceeded(std::string_view name, std::int64_t value, std::int64_t requested,
                           std::string_view text) {
  const std::string flag = FlagOf(std::string(name));
  return proto::WithDetails(FieldError(name,
                                       std::string(text) + ", more than " + std::to_string(value) +
                                           "; " + flag + " sets the limit",
                                       absl::StatusCode::kResourceExhausted),
                            {.reason = std::string(proto::kLimitExceeded),
                             .metadata = {{"limit", std::string(name)},
                                          {"value", std::to_string(value)},
                                          {"requested", std::to_string(requested)},
                                          {"flag", flag}},
                             .retry_delay = {}});
}

}  // namespace weightinit::server
