#include "proto/convert_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <span>
#include <utility>

#include "proto/convert_recipe.h"
#include "weightinit/engine.h"
#include "weightinit/status.h"

namespace weightinit::proto {
namespace {

std::uint64_t Unsigned(std::int64_t value) { return static_cast<std::uint64_t>(value); }

v1::Distribution::Kind KindOf(const Distribution& distribution) {
  // One overload for each kind, so that a new one does not compile until it stands here.
  struct Kinds {
    v1::Distribution::Kind operator()(const FilledWith&) { return v1::Distribution::CONSTANT; }
    v1::Distribution::Kind operator()(const DiagonalOf&) { return v1::Distribution::EYE; }
    v1::Distribution::Kind operator()(const DiracDelta&) { return v1::Distribution::DIRAC; }
    v1::Distribution::Kind operator()(const UniformOn&) { return v1::Distribution::UNIFORM; }
    v1::Distribution::Kind operator()(const NormalWith&) { return v1::Distribution::NORMAL; }
    v1::Distribution::Kind operator()(const TruncatedNormalWith&) {
      return v1::Distribution::TRUNCATED_NORMAL;
    }
    v1::Distribution::Kind operator()(const SparseNormal&) { return v1::Distribution::SPARSE; }
    v1::Distribution::Kind operator()(const OrthogonalMatrix&) {
      return v1::Distribution::ORTHOGONAL;
    }
    v1::Distribution::Kind operator()(const DeltaOrthogonalKernel&) {
      return v1::Distribution::DELTA_ORTHOGONAL;
    }
  };
  return std::visit(Kinds(), distribution);
}

std::string Hex(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%a", value);
  return text;
}

// Bytes that a length-delimited field adds to a message: one tag byte, the length, the content.
// Two bytes of tag are counted, since some fields have numbers above 15.
std::size_t FieldBytes(std::size_t content) {
  std::size_t length_bytes = 1;
  for (std::size_t rest = content; rest >= 128; rest /= 128) ++length_bytes;
  return 2 + length_bytes + content;
}

// The envelope of a response around its report or page.
constexpr std::size_t kEnvelopeBytes = 16;

// Deals out the entries of a report over as many messages as they need.
class Reports {
 public:
  Reports(v1::PlanReport first, std::size_t max_bytes) : max_bytes_(max_bytes) {
    room_used_ = first.ByteSizeLong();
    *messages_.emplace_back().mutable_report() = std::move(first);
  }

  // The report that has room for one more entry of `content` bytes.
  v1::PlanReport& ForEntry(std::size_t content) {
    const std::size_t bytes = FieldBytes(content);
    if (room_used_ > 0 && room_used_ + bytes + kEnvelopeBytes > max_bytes_) {
      messages_.emplace_back().mutable_report();
      room_used_ = 0;
    }
    room_used_ += bytes;
    return *messages_.back().mutable_report();
  }

  std::vector<v1::PlanResponse> Take() { return std::move(messages_); }

 private:
  std::size_t max_bytes_;
  std::size_t room_used_ = 0;
  std::vector<v1::PlanResponse> messages_;
};

bool MayBeIdle(const Recipe& recipe, int rule) {
  return recipe.allow_idle || recipe.rules[static_cast<std::size_t>(rule)].may_be_idle;
}

v1::PlanReport Totals(const ModelPlan& plan, const Recipe& recipe) {
  v1::PlanReport report;
  report.set_tensor_count(plan.tensors.size());
  report.set_element_count(Unsigned(plan.num_elements));
  report.set_byte_count(Unsigned(plan.num_bytes));
  report.set_drawable(IsDrawable(plan.coverage, recipe));
  if (report.drawable()) report.set_fingerprint(FingerprintToBytes(plan.fingerprint));
  report.set_generator(std::string(Name(plan.generator)));
  report.set_seed(plan.seed);
  report.set_server_version(std::string(Version()));
  report.set_uncovered_count(plan.coverage.uncovered.size());
  report.set_idle_rule_count(plan.coverage.idle_rules.size());
  report.set_overlap_count(plan.coverage.overlaps.size());
  return report;
}

void AddCoverage(const ModelPlan& plan, const Recipe& recipe, Reports& reports) {
  const auto name_of = [&](int tensor) {
    return CanonicalName(recipe.tensors[static_cast<std::size_t>(tensor)].name);
  };
  for (int tensor : plan.coverage.uncovered) {
    std::string name = name_of(tensor);
    reports.ForEntry(name.size()).add_uncovered(std::move(name));
  }
  for (int tensor : plan.coverage.skipped) {
    std::string name = name_of(tensor);
    reports.ForEntry(name.size()).add_skipped(std::move(name));
  }
  for (int index : plan.coverage.idle_rules) {
    const Rule& rule = recipe.rules[static_cast<std::size_t>(index)];
    v1::PlanReport::IdleRule entry;
    entry.set_rule(static_cast<std::uint32_t>(index));
    entry.set_name_regex(rule.name_regex.value_or(""));
    entry.set_module(rule.module.value_or(""));
    entry.set_allowed(MayBeIdle(recipe, index));
    *reports.ForEntry(entry.ByteSizeLong()).add_idle_rules() = std::move(entry);
  }
  for (const Coverage::Overlap& overlap : plan.coverage.overlaps) {
    v1::PlanReport::Overlap entry;
    entry.set_tensor(name_of(overlap.tensor));
    entry.set_rule(static_cast<std::uint32_t>(overlap.winner));
    for (int other : overlap.others) entry.add_other_rules(static_cast<std::uint32_t>(other));
    entry.set_other_rule_count(static_cast<std::uint32_t>(overlap.other_count));
    *reports.ForEntry(entry.ByteSizeLong()).add_overlaps() = std::move(entry);
  }
  for (const std::string& warning : plan.warnings) {
    reports.ForEntry(warning.size()).add_warnings(warning);
  }
}

}  // namespace

v1::Distribution ToProto(const Distribution& distribution) {
  v1::Distribution message;
  message.set_kind(KindOf(distribution));
  for (const auto& [name, value] : Numbers(distribution)) {
    v1::Distribution::Number& number = *message.add_numbers();
    number.set_name(name);
    number.set_value(value);
    number.set_hex(Hex(value));
  }
  return message;
}

namespace {

// What a plan says of one draw: of the tensor itself, or of a part.
void WriteDraw(const ModelPlan& plan, const Draw& draw, v1::TensorPlan& message) {
  message.set_generator(std::string(Name(plan.generator)));
  message.set_draw_name(draw.name);
  message.set_seed(draw.seed);
  if (IsRandom(draw.distribution) && draw.sequence == nullptr && !draw.jax_key.has_value())
    message.set_subsequence(draw.subsequence);
  *message.mutable_distribution() = ToProto(draw.distribution);
}

// A TensorPlan or a PartPlan.
template <typename Plan>
void WriteNumbers(const Plan& from, v1::TensorPlan& message) {
  message.set_initializer(ToString(from.init));
  if (from.fans) {
    message.set_fan_in(from.fans->in);
    message.set_fan_out(from.fans->out);
  }
  if (from.gain) message.set_gain(*from.gain);
  message.set_expected_mean(from.expected.mean);
  message.set_expected_std(from.expected.std);
  if (std::isfinite(from.expected.min)) message.set_lower_bound(from.expected.min);
  if (std::isfinite(from.expected.max)) message.set_upper_bound(from.expected.max);
  message.set_why(from.why);
}

v1::TensorPlan PartToProto(const ModelPlan& plan, const TensorPlan& tensor, const PartPlan& part) {
  const Draw& draw = plan.draws[static_cast<std::size_t>(part.draw)];
  v1::TensorPlan message;
  message.set_name(draw.name);
  message.mutable_shape()->Assign(draw.shape.begin(), draw.shape.end());
  message.set_dtype(ToProto(tensor.dtype));
  std::int64_t elements = 1;  // no more than the tensor's
  for (const std::int64_t dim : draw.shape) elements *= dim;
  message.set_elements(Unsigned(elements));
  message.set_bytes(Unsigned(elements * SizeBytes(tensor.dtype)));
  WriteDraw(plan, draw, message);
  WriteNumbers(part, message);
  message.set_layout("identity");
  return message;
}

}  // namespace

v1::TensorPlan TensorPlanToProto(const ModelPlan& plan, int tensor) {
  const TensorPlan& from = plan.tensors[static_cast<std::size_t>(tensor)];
  const std::span<const Draw> draws = plan.DrawsOf(tensor);
  v1::TensorPlan message;
  message.set_name(from.name);
  message.mutable_shape()->Assign(from.shape.begin(), from.shape.end());
  message.set_dtype(ToProto(from.dtype));
  message.set_elements(Unsigned(from.num_elements));
  message.set_bytes(Unsigned(from.num_bytes));
  message.set_generator(std::string(Name(plan.generator)));
  WriteNumbers(from, message);
  if (draws.size() == 1) {
    WriteDraw(plan, draws[0], message);
  } else {
    message.set_part_count(draws.size());
    for (const PartPlan& part : from.parts) *message.add_parts() = PartToProto(plan, from, part);
  }
  if (from.rule) message.set_rule(static_cast<std::uint32_t>(*from.rule));
  for (const std::string& note : from.notes) message.add_notes(note);
  for (const std::string& warning : from.warnings) message.add_warnings(warning);
  message.set_layout(from.layout_text);
  return message;
}

bool IsDrawable(const Coverage& coverage, const Recipe& recipe) {
  if (!coverage.uncovered.empty() && !recipe.allow_uncovered) return false;
  return std::all_of(coverage.idle_rules.begin(), coverage.idle_rules.end(),
                     [&](int rule) { return MayBeIdle(recipe, rule); });
}

std::vector<v1::PlanResponse> PlanToProto(const ModelPlan& plan, const Recipe& recipe,
                                          std::size_t max_bytes) {
  Reports reports(Totals(plan, recipe), max_bytes);
  AddCoverage(plan, recipe, reports);
  std::vector<v1::PlanResponse> messages = reports.Take();
  std::size_t page_bytes = max_bytes;  // full: the first tensor opens a page
  for (int i = 0; i < static_cast<int>(plan.tensors.size()); ++i) {
    v1::TensorPlan tensor = TensorPlanToProto(plan, i);
    const std::size_t bytes = FieldBytes(tensor.ByteSizeLong());
    if (page_bytes + bytes + kEnvelopeBytes > max_bytes) {
      messages.emplace_back().mutable_page();
      page_bytes = 0;
    }
    page_bytes += bytes;
    *messages.back().mutable_page()->add_tensors() = std::move(tensor);
  }
  return messages;
}

v1::TensorHeader HeaderToProto(const ModelPlan& plan, const BoundSelection& selection) {
  v1::TensorHeader header;
  header.set_name(plan.tensors[static_cast<std::size_t>(selection.tensor)].name);
  header.mutable_shape()->Assign(selection.shape.begin(), selection.shape.end());
  header.set_dtype(ToProto(selection.dtype));
  std::int64_t elements = 1;  // cannot overflow: a slice is no larger than its tensor
  for (std::int64_t size : selection.shape) elements *= size;
  header.set_total_bytes(Unsigned(elements) * Unsigned(SizeBytes(selection.dtype)));
  *header.mutable_plan() = TensorPlanToProto(plan, selection.tensor);
  header.set_fingerprint(FingerprintToBytes(plan.fingerprint));
  header.set_server_version(std::string(Version()));
  return header;
}

v1::SummarizeResponse SummaryToProto(const ModelPlan& plan, const BoundSelection& selection,
                                     const Summary& summary, std::uint64_t digest) {
  v1::SummarizeResponse message;
  message.set_name(plan.tensors[static_cast<std::size_t>(selection.tensor)].name);
  std::int64_t elements = 1;
  for (std::int64_t size : selection.shape) elements *= size;
  if (selection.first == 0 && selection.count == elements) {
    message.mutable_shape()->Assign(selection.shape.begin(), selection.shape.end());
  } else {
    message.add_shape(selection.count);
  }
  message.set_dtype(ToProto(selection.dtype));
  *message.mutable_plan() = TensorPlanToProto(plan, selection.tensor);
  message.set_count(Unsigned(summary.count));
  message.set_nan_count(Unsigned(summary.nan_count));
  message.set_infinite_count(Unsigned(summary.inf_count));
  message.set_mean(summary.mean);
  message.set_std(summary.std);
  message.set_skewness(summary.skewness);
  message.set_excess_kurtosis(summary.excess_kurtosis);
  message.set_min(summary.min);
  message.set_max(summary.max);
  message.set_min_index(Unsigned(summary.min_index));
  message.set_max_index(Unsigned(summary.max_index));
  if (!summary.histogram.empty()) {
    v1::Histogram& histogram = *message.mutable_histogram();
    histogram.set_low(summary.histogram_low);
    histogram.set_high(summary.histogram_high);
    for (std::int64_t count : summary.histogram) histogram.add_counts(Unsigned(count));
  }
  message.mutable_first_values()->Assign(summary.first.begin(), summary.first.end());
  message.set_digest(digest);
  return message;
}

Summary SummaryFromProto(const v1::SummarizeResponse& message) {
  const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  Summary summary;
  summary.count = number(message.count());
  summary.nan_count = number(message.nan_count());
  summary.inf_count = number(message.infinite_count());
  summary.mean = message.mean();
  summary.std = message.std();
  summary.skewness = message.skewness();
  summary.excess_kurtosis = message.excess_kurtosis();
  summary.min = message.min();
  summary.max = message.max();
  summary.min_index = number(message.min_index());
  summary.max_index = number(message.max_index());
  summary.histogram_low = message.histogram().low();
  summary.histogram_high = message.histogram().high();
  for (std::uint64_t count : message.histogram().counts()) {
    summary.histogram.push_back(number(count));
  }
  summary.first.assign(message.first_values().begin(), message.first_values().end());
  return summary;
}

v1::GetCapabilitiesResponse LibraryCapabilities() {
  v1::GetCapabilitiesResponse message;
  message.set_server_version(std::string(Version()));
  const auto add = [&](const Generator& generator, const char* description) {
    v1::GetCapabilitiesResponse::GeneratorInfo& info = *message.add_generators();
    info.set_name(std::string(Name(generator)));
    info.set_description(description);
  };
  add(PhiloxV1(),
      "Philox4x32-10, every element a pure function of seed, name and index; its bits never "
      "change");
  add(TorchCpu(), "torch's CPU generator, bit for bit: one stream for the whole model, in order");
  add(JaxThreefry(), "jax.random's threefry keys on CPUs, every tensor under its own");
  for (const MethodDescription& method : DescribeMethods()) {
    v1::GetCapabilitiesResponse::InitializerInfo& info = *message.add_initializers();
    info.set_name(method.name);
    info.set_formula(method.formula);
    info.set_reference(method.reference);
    for (const ParameterDescription& from : method.parameters) {
      auto& parameter = *info.add_parameters();
      parameter.set_name(from.name);
      parameter.set_default_value(from.default_value);
      parameter.set_allowed(from.allowed);
    }
  }
  for (DType dtype : AllDTypes()) message.add_dtypes(ToProto(dtype));
  const google::protobuf::Descriptor& view = *v1::View::descriptor();
  for (int i = 0; i < view.field_count(); ++i)
    message.add_views(std::string(view.field(i)->name()));
  message.set_simd_target(std::string(SimdTarget()));
  return message;
}

absl::StatusOr<Fingerprint> FingerprintFromBytes(const std::string& bytes, std::string_view field) {
  Fingerprint fingerprint{};
  if (bytes.size() != fingerprint.size()) {
    return FieldError(field, std::to_string(bytes.size()) + " bytes; a fingerprint has 32");
  }
  std::transform(bytes.begin(), bytes.end(), fingerprint.begin(),
                 [](char byte) { return static_cast<std::uint8_t>(byte); });
  return fingerprint;
}

std::string FingerprintToBytes(const Fingerprint& fingerprint) {
  return std::string(fingerprint.begin(), fingerprint.end());
}

}  // namespace weightinit::proto
