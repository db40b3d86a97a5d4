#include "client/cli/look.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "client/printable.h"

namespace weightinit::client {
namespace {

constexpr int kTitleWidth = 13;

std::string Line(const Terminal& terminal, std::string_view title, std::string_view text) {
  std::string padded(title);
  padded.resize(kTitleWidth, ' ');
  return "  " + terminal.Dim(padded) + std::string(text) + "\n";
}

std::string Name(v1::DType dtype) {
  return v1::DType_IsValid(dtype) ? v1::DType_Name(dtype) : std::to_string(dtype);
}

std::string NameOf(const std::string& name) { return name.empty() ? "(no name)" : Printable(name); }

// Expected beside measured.
std::string Compared(const Terminal& terminal, std::string_view title, const std::string& expected,
                     const std::string& measured) {
  constexpr std::size_t kWidth = 16;
  const std::size_t width = DisplayWidth(expected);
  const std::string gap(width < kWidth ? kWidth - width : 1, ' ');
  return Line(terminal, title, expected + gap + measured);
}

}  // namespace

std::vector<std::string> HistogramLines(std::span<const std::uint64_t> counts, std::size_t height) {
  static constexpr std::array kEighths = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::vector<std::string> lines(height);
  const std::uint64_t highest = counts.empty() ? 0 : *std::ranges::max_element(counts);
  for (const std::uint64_t count : counts) {
    const double share =
        highest == 0 ? 0 : static_cast<double>(count) / static_cast<double>(highest);
    auto eighths = static_cast<std::size_t>(std::lround(share * 8 * static_cast<double>(height)));
    if (count > 0) eighths = std::max<std::size_t>(eighths, 1);
    for (std::size_t row = 0; row < height; ++row) {
      const std::size_t below = 8 * (height - 1 - row);
      lines[row] += kEighths[eighths > below ? std::min<std::size_t>(eighths - below, 8) : 0];
    }
  }
  return lines;
}

std::string ShapeText(const google::protobuf::RepeatedField<std::int64_t>& shape) {
  std::string text = "[";
  for (int i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape.Get(i));
  }
  return text + "]";
}

std::string DistributionText(const v1::Distribution& distribution) {
  std::string text = v1::Distribution::Kind_IsValid(distribution.kind())
                         ? v1::Distribution::Kind_Name(distribution.kind())
                         : std::to_string(distribution.kind());
  for (const auto& number : distribution.numbers()) {
    text += "  " + Printable(number.name()) + " " + Short(number.value());
  }
  return text;
}

std::string PlanText(const v1::TensorPlan& plan, const Terminal& terminal) {
  std::string text = terminal.Bold(NameOf(plan.name())) + "  " + ShapeText(plan.shape()) + "  " +
                     Name(plan.dtype()) + "  " + HumanBytes(static_cast<double>(plan.bytes())) +
                     "\n";
  text += Line(terminal, "initializer", Printable(plan.initializer()));
  if (plan.has_fan_in() || plan.has_fan_out()) {
    text += Line(terminal, "fans",
                 "in " + Short(plan.fan_in()) + ", out " + Short(plan.fan_out()) +
                     (plan.has_gain() ? ", gain " + Short(plan.gain()) : ""));
  }
  text += Line(terminal, "draws", DistributionText(plan.distribution()));
  text += Line(
      terminal, "from",
      Printable(plan.generator()) + ", seed " + std::to_string(plan.seed()) +
          (plan.has_subsequence() ? ", subsequence " + DigestText(plan.subsequence()) : "") +
          (plan.draw_name() == plan.name() ? ""
                                           : ", draw name '" + Printable(plan.draw_name()) + "'"));
  if (!plan.why().empty()) text += Line(terminal, "why", Printable(plan.why()));
  for (const std::string& note : plan.notes()) text += Line(terminal, "note", Printable(note));
  for (const std::string& warning : plan.warnings()) {
    text += "  " + terminal.Yellow("warning") + "      " + Printable(warning) + "\n";
  }
  return text;
}

std::string LookText(const v1::SummarizeResponse& summary, const Terminal& terminal) {
  const v1::TensorPlan& plan = summary.plan();
  std::string text = PlanText(plan, terminal);
  if (!std::ranges::equal(summary.shape(), plan.shape())) {
    text += Line(terminal, "drawn",
                 ShapeText(summary.shape()) + "  " + WithCommas(summary.count()) + " elements");
  }
  if (summary.dtype() != plan.dtype()) text += Line(terminal, "as", Name(summary.dtype()));
  if (summary.count() == 0) return text + Line(terminal, "values", "none");

  text += Compared(terminal, "", "expected", "measured");
  text += Compared(terminal, "mean", Short(plan.expected_mean()), Short(summary.mean()));
  text += Compared(terminal, "std", Short(plan.expected_std()), Short(summary.std()));
  text += Compared(terminal, "min", plan.has_lower_bound() ? "≥ " + Short(plan.lower_bound()) : "-",
                   Short(summary.min()));
  text += Compared(terminal, "max", plan.has_upper_bound() ? "≤ " + Short(plan.upper_bound()) : "-",
                   Short(summary.max()));
  if (const std::uint64_t odd = summary.nan_count() + summary.infinite_count(); odd > 0) {
    text += Line(terminal, "not finite", WithCommas(odd) + " elements");
  }

  const v1::Histogram& histogram = summary.histogram();
  if (histogram.low() < histogram.high()) {
    constexpr std::size_t kHeight = 5;
    const std::vector<std::uint64_t> counts(histogram.counts().begin(), histogram.counts().end());
    for (const std::string& line : HistogramLines(counts, kHeight)) {
      text += Line(terminal, "", terminal.Cyan(line));
    }
    const std::string low = Short(histogram.low()), high = Short(histogram.high());
    const std::size_t between =
        counts.size() > low.size() + high.size() ? counts.size() - low.size() - high.size() : 1;
    text += Line(terminal, "", terminal.Dim(low + std::string(between, ' ') + high));
  }
  std::string first;
  for (const double value : summary.first_values()) {
    if (!first.empty()) first += ' ';
    first += Short(value);
  }
  if (static_cast<std::uint64_t>(summary.first_values_size()) < summary.count()) first += " …";
  text += Line(terminal, "first", first);
  text += Line(terminal, "digest", DigestText(summary.digest()));
  return text;
}

}  // namespace weightinit::client
