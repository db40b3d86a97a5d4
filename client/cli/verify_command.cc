#include <CLI/App.hpp>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "client/checkpoint_comparison.h"
#include "client/cli/command.h"
#include "client/cli/exit_code.h"
#include "client/cli/flag_value.h"
#include "client/cli/message_json.h"
#include "client/cli/progress.h"
#include "client/cli/spec_flags.h"
#include "client/cli/table.h"
#include "client/formats/checkpoint.h"
#include "client/formats/stored_slices.h"
#include "client/printable.h"
#include "weightinit/element.h"

namespace weightinit::client {
namespace {

// What is wrong with one tensor. Empty texts: nothing is to be said there.
struct Finding {
  std::string name;
  std::string what;                     // "values", "shape", "dtype", "missing", "unexpected"
  std::string stored = {}, drawn = {};  // shapes, dtypes, or the first values that differ
  std::int64_t count = 0, elements = 0;
  std::int64_t index = 0;  // of the first, in the full tensor
  Shape at = {};           // the same, by dimension
  std::optional<std::uint64_t> ulps = {};
};

// A stored tensor, and what is to be there.
struct Pair {
  std::string stored_name;
  Selection selection;
  BoundSelection bound;
  StoredValues values;
};

std::string ValueText(const Difference::Element& element, DType dtype) {
  const double value =
      ElementValue(std::span(element).first(static_cast<std::size_t>(SizeBytes(dtype))), dtype);
  char text[40];
  // As many digits as tell one value of the dtype from the next.
  std::snprintf(text, sizeof text, "%.*g",
                dtype == DType::kFloat64 || dtype == DType::kInt64 ? 17 : 9, value);
  return text;
}

// The logical index of the element at `position` of what is selected, row-major over the slice.
std::int64_t LogicalIndex(const BoundSelection& bound, std::int64_t position) {
  std::int64_t index = bound.base;
  for (std::size_t d = bound.shape.size(); d-- > 0;) {
    index += position % bound.shape[d] * bound.strides[d];
    position /= bound.shape[d];
  }
  return index;
}

Shape Coordinates(std::int64_t index, const Shape& shape) {
  Shape at(shape.size());
  for (std::size_t d = shape.size(); d-- > 0;) {
    at[d] = index % shape[d];
    index /= shape[d];
  }
  return at;
}

class VerifyCommand final : public Command {
 public:
  explicit VerifyCommand(CLI::App& app) {
    app.add_option(
           "checkpoint", path_,
           "a .safetensors file, a directory of them, or an index; a file that holds a part "
           "says so itself, or --rank and --slice do")
        ->type_name("FILE|DIR")
        ->required()
        ->check(NonEmpty());
    spec_.AddTo(app, "what the weights are to be: a recipe, or a manifest with --rules or --init");
  }

  absl::StatusOr<int> Run(Session& session) override {
    absl::StatusOr<Spec> spec = spec_.Load();
    if (!spec.ok()) return spec.status();
    absl::StatusOr<Model> model = spec_.Resolve(*spec);
    if (!model.ok()) return model.status();
    absl::StatusOr<std::vector<CheckpointFile>> files = OpenCheckpoint(path_);
    if (!files.ok()) return files.status();
    std::vector<InputFile> inputs;
    for (const CheckpointFile& file : *files) {
      absl::StatusOr<InputFile> input = InputFile::Open(file.path);
      if (!input.ok()) return input.status();
      inputs.push_back(*std::move(input));
    }
    std::vector<Finding> findings;
    absl::StatusOr<std::vector<Pair>> pairs = Match(*model, *files, inputs, findings);
    for (const std::string& warning : spec_.Warnings(*model)) session.Warn(warning);
    if (!pairs.ok()) return pairs.status();
    if (absl::Status status = Compare(session, *model, *pairs, findings); !status.ok()) {
      return status;
    }
    Report(session, *model, *pairs, findings);
    return findings.empty() ? kExitDone : kExitFailed;
  }

 private:
  // Stored tensors by the tensor of the plan that their name means.
  struct Stored {
    const CheckpointFile* file;
    const InputFile* input;
    const SafetensorsTensor* tensor;
    const StoredSlices* slices;
  };

  absl::StatusOr<std::vector<Pair>> Match(const Model& model,
                                          const std::vector<CheckpointFile>& files,
                                          const std::vector<InputFile>& inputs,
                                          std::vector<Finding>& findings) {
    absl::StatusOr<std::vector<Selection>> chosen = spec_.Select(model);
    if (!chosen.ok()) return chosen.status();
    if (chosen->empty()) {
      for (const TensorPlan& tensor : model.plan.tensors) {
        chosen->emplace_back().name = tensor.name;
      }
    }
    std::vector<StoredSlices> slices;
    for (const CheckpointFile& file : files) {
      absl::StatusOr<StoredSlices> parsed = ParseStoredSlices(file.header, file.path);
      if (!parsed.ok()) return parsed.status();
      slices.push_back(*std::move(parsed));
    }
    std::set<std::string> skipped;
    for (const int tensor : model.plan.coverage.skipped)
      skipped.insert(CanonicalName(model.recipe.tensors[static_cast<std::size_t>(tensor)].name));
    std::map<int, Stored> stored;
    for (std::size_t f = 0; f < files.size(); ++f) {
      for (const SafetensorsTensor& tensor : files[f].header.tensors) {
        const absl::StatusOr<int> index = FindTensor(model.plan, tensor.name, "tensor");
        if (!index.ok() && skipped.contains(CanonicalName(tensor.name))) {
          ++num_skipped_;
          continue;
        }
        if (!index.ok()) {
          // With --only, the rest of the file is nobody's question.
          if (!spec_.has_only()) findings.push_back({.name = tensor.name, .what = "unexpected"});
          continue;
        }
        const Stored found{&files[f], &inputs[f], &tensor, &slices[f]};
        const auto [first, is_new] = stored.emplace(*index, found);
        if (!is_new) {
          return absl::InvalidArgumentError(
              "'" + first->second.tensor->name + "' and '" + tensor.name + "' are both tensor '" +
              model.plan.tensors[static_cast<std::size_t>(*index)].name + "' of the recipe");
        }
      }
    }
    std::vector<Pair> pairs;
    for (const Selection& selection : *chosen) {
      const absl::StatusOr<int> index = FindTensor(model.plan, selection.name, "tensor");
      if (!index.ok()) return index.status();
      const auto found = stored.find(*index);
      const auto& tied_to = model.plan.tensors[static_cast<std::size_t>(*index)].tied_to;
      // Checkpoints leave such duplicates out; where they do not, they are compared as well.
      if (found == stored.end() && tied_to.has_value() && stored.contains(*tied_to)) continue;
      if (found == stored.end()) {
        findings.push_back({.name = selection.name, .what = "missing"});
        continue;
      }
      if (absl::Status status = AddPair(model, selection, found->second, pairs, findings);
          !status.ok()) {
        return status;
      }
    }
    return pairs;
  }

  // A pair, or why the two cannot be compared.
  absl::Status AddPair(const Model& model, Selection selection, const Stored& stored,
                       std::vector<Pair>& pairs, std::vector<Finding>& findings) const {
    const SafetensorsTensor& tensor = *stored.tensor;
    absl::StatusOr<BoundSelection> bound = Bind(model.plan, selection, "selection");
    if (!bound.ok()) return bound.status();
    const TensorPlan& plan = model.plan.tensors[static_cast<std::size_t>(bound->tensor)];
    if (tensor.dtype != bound->dtype) {
      findings.push_back({.name = plan.name,
                          .what = "dtype",
                          .stored = tensor.dtype.has_value() ? std::string(Name(*tensor.dtype))
                                                             : tensor.dtype_name,
                          .drawn = std::string(Name(bound->dtype))});
      return absl::OkStatus();
    }
    if (!spec_.has_part() && stored.slices->contains(tensor.name)) {
      absl::StatusOr<StoredPart> part = PartOf(tensor, *stored.slices, stored.file->path);
      if (!part.ok()) return part.status();
      if (part->full_shape == plan.shape) {
        selection.slice = part->slice;
        bound = Bind(model.plan, selection, "selection");
        if (!bound.ok()) return bound.status();
      }
    }
    if (tensor.shape != bound->shape) {
      findings.push_back({.name = plan.name,
                          .what = "shape",
                          .stored = ToString(tensor.shape),
                          .drawn = ToString(bound->shape)});
      return absl::OkStatus();
    }
    pairs.push_back({tensor.name,
                     std::move(selection),
                     *std::move(bound),
                     {stored.input, tensor.begin, *tensor.dtype}});
    return absl::OkStatus();
  }

  static absl::Status Compare(Session& session, const Model& model, const std::vector<Pair>& pairs,
                              std::vector<Finding>& findings) {
    if (pairs.empty()) return absl::OkStatus();
    std::vector<Selection> selections;
    std::vector<StoredValues> stored;
    std::int64_t total = 0;
    for (const Pair& pair : pairs) {
      selections.push_back(pair.selection);
      stored.push_back(pair.values);
      total += pair.bound.num_bytes();
    }
    absl::StatusOr<std::unique_ptr<Backend>> backend = session.Connect();
    if (!backend.ok()) return backend.status();
    Progress progress(total, session.show_progress());
    CheckpointComparison comparison(std::move(stored),
                                    [&](std::int64_t bytes) { progress.Add(bytes); });
    // Of a server's values the digest says that they came as they were drawn; here nothing comes.
    const ReadOptions options{.digest = !session.flags().remote.target.empty()};
    absl::Status status = (*backend)->Read(model, selections, options, comparison, session.stop());
    if (!status.ok()) return status;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const std::optional<Difference> difference = comparison.DifferenceOf(i);
      if (difference.has_value()) findings.push_back(FindingOf(model, pairs[i], *difference));
    }
    return absl::OkStatus();
  }

  static Finding FindingOf(const Model& model, const Pair& pair, const Difference& difference) {
    const TensorPlan& plan = model.plan.tensors[static_cast<std::size_t>(pair.bound.tensor)];
    const DType dtype = pair.bound.dtype;
    const auto size = static_cast<std::size_t>(SizeBytes(dtype));
    const std::int64_t index = LogicalIndex(pair.bound, difference.first);
    return {.name = plan.name,
            .what = "values",
            .stored = ValueText(difference.stored, dtype),
            .drawn = ValueText(difference.drawn, dtype),
            .count = difference.count,
            .elements = pair.bound.count,
            .index = index,
            .at = Coordinates(index, plan.shape),
            .ulps = UlpDistance(std::span(difference.stored).first(size),
                                std::span(difference.drawn).first(size), dtype)};
  }

  void Report(Session& session, const Model& model, const std::vector<Pair>& pairs,
              const std::vector<Finding>& findings) const {
    std::int64_t bytes = 0;
    for (const Pair& pair : pairs) bytes += pair.bound.num_bytes();
    if (session.flags().json) {
      session.Print(Json(model, pairs.size(), bytes, findings));
      return;
    }
    const std::string compared = WithCommas(pairs.size()) +
                                 (pairs.size() == 1 ? " tensor, " : " tensors, ") +
                                 HumanBytes(static_cast<double>(bytes));
    const std::string skipped =
        num_skipped_ == 0 ? "" : "; " + WithCommas(num_skipped_) + " skipped by rules";
    if (findings.empty()) {
      session.Print(Printable(path_) + ": " + compared + ", bit for bit what the recipe draws" +
                    skipped + "\n");
    } else {
      session.Print(TableOf(findings).Text(session.out()));
      session.Print(Printable(path_) + ": " + WithCommas(findings.size()) +
                    (findings.size() == 1 ? " difference" : " differences") + " (" + compared +
                    " compared" + skipped + ")\n");
    }
    session.Note(spec_.StartText(model.plan.generator, model.plan.seed) + "\n");
  }

  static Table TableOf(const std::vector<Finding>& findings) {
    using enum Table::Fit;
    constexpr auto kRight = Table::Align::kRight;
    Table table({{.title = "TENSOR", .fit = kShortenedInTheMiddle},
                 {.title = "WHAT"},
                 {.title = "ELEMENTS", .align = kRight, .rank = 2},
                 {.title = "OF", .align = kRight, .rank = 3},
                 {.title = "FIRST AT"},
                 {.title = "FILE", .align = kRight},
                 {.title = "RECIPE", .align = kRight},
                 {.title = "ULP", .align = kRight, .rank = 1}});
    for (const Finding& finding : findings) {
      const bool has_values = finding.what == "values";
      const auto number = [&](std::int64_t value) {
        return has_values ? WithCommas(static_cast<std::uint64_t>(value)) : "-";
      };
      table.Add({finding.name, finding.what, number(finding.count), number(finding.elements),
                 has_values ? ToString(finding.at) : "-",
                 finding.stored.empty() ? "-" : finding.stored,
                 finding.drawn.empty() ? "-" : finding.drawn,
                 finding.ulps.has_value() ? WithCommas(*finding.ulps) : "-"});
    }
    return table;
  }

  std::string Json(const Model& model, std::size_t num_tensors, std::int64_t bytes,
                   const std::vector<Finding>& findings) const {
    nlohmann::ordered_json json;
    json["file"] = path_;
    json["same"] = findings.empty();
    json["tensors"] = num_tensors;
    json["bytes"] = bytes;
    json["skipped"] = num_skipped_;
    json["differences"] = nlohmann::ordered_json::array();
    for (const Finding& finding : findings) {
      nlohmann::ordered_json entry = {{"name", finding.name}, {"what", finding.what}};
      if (!finding.stored.empty()) entry["file"] = finding.stored;
      if (!finding.drawn.empty()) entry["recipe"] = finding.drawn;
      if (finding.what == "values") {
        entry["count"] = finding.count;
        entry["elements"] = finding.elements;
        entry["index"] = finding.index;
        entry["at"] = finding.at;
        if (finding.ulps.has_value()) entry["ulps"] = *finding.ulps;
      }
      json["differences"].push_back(std::move(entry));
    }
    json["fingerprint"] = ToHex(model.plan.fingerprint);
    json["seed"] = std::to_string(model.plan.seed);
    json["generator"] = Name(model.plan.generator);
    return JsonText(json);
  }

  std::string path_;
  std::size_t num_skipped_ = 0;  // stored tensors that rules skip
  SpecFlags spec_{SpecFlags::Takes::kRecipeFlag};
};

}  // namespace

std::unique_ptr<Command> MakeVerifyCommand(CLI::App& app) {
  return std::make_unique<VerifyCommand>(app);
}

}  // namespace weightinit::client
