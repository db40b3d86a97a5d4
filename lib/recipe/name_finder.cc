#include "lib/recipe/name_finder.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "lib/base/text.h"
#include "lib/recipe/rule_matcher.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

// Segments that wrappers add to every name below them: torch.compile, FSDP, activation
// checkpointing.
constexpr std::array<std::string_view, 3> kWrapperSegments = {"_orig_mod", "_fsdp_wrapped_module",
                                                              "_checkpoint_wrapped_module"};
// DataParallel and DistributedDataParallel.
constexpr std::string_view kWrapperPrefix = "module.";

}  // namespace

std::string CanonicalName(std::string_view name) {
  std::vector<std::string> segments;
  for (std::size_t start = 0; start <= name.size();) {
    const std::size_t end = std::min(name.find('.', start), name.size());
    const std::string_view segment = name.substr(start, end - start);
    const bool wrapper = std::find(kWrapperSegments.begin(), kWrapperSegments.end(), segment) !=
                         kWrapperSegments.end();
    if (!wrapper) segments.emplace_back(segment);
    start = end + 1;
  }
  std::string canonical = Join(segments, ".");
  if (canonical.compare(0, kWrapperPrefix.size(), kWrapperPrefix) == 0)
    canonical.erase(0, kWrapperPrefix.size());
  return canonical;
}

namespace {

// What `rename` makes of a name; the name itself where it does not match.
std::string Apply(const re2::RE2& regex, const std::string& rewrite, std::string name) {
  std::vector<re2::StringPiece> groups(static_cast<std::size_t>(regex.NumberOfCapturingGroups()) +
                                       1);
  const auto num_groups = static_cast<int>(groups.size());
  if (!regex.Match(name, 0, name.size(), RE2::ANCHOR_BOTH, groups.data(), num_groups)) return name;
  std::string rewritten;
  regex.Rewrite(&rewritten, rewrite, groups.data(), num_groups);
  return rewritten;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const NameFinder>> NameFinder::Create(
    std::vector<std::string> names, const std::vector<Rename>& renames) {
  auto finder = std::make_shared<NameFinder>();
  finder->names_ = std::move(names);
  for (std::size_t i = 0; i < finder->names_.size(); ++i)
    finder->index_of_name_.emplace(finder->names_[i], static_cast<int>(i));
  for (std::size_t i = 0; i < renames.size(); ++i) {
    const std::string path = "renames[" + std::to_string(i) + "]";
    auto regex = CompileRegex(renames[i].name_regex, path + ".name_regex");
    if (!regex.ok()) return regex.status();
    std::string error;
    if (!(*regex)->CheckRewriteString(renames[i].rewrite, &error))
      return FieldError(path + ".rewrite", error);
    finder->renames_.push_back({*std::move(regex), renames[i].rewrite});
  }
  return finder;
}

NameFinder::~NameFinder() = default;

absl::StatusOr<int> NameFinder::Find(std::string_view asked, std::string_view field) const {
  if (!IsValidUtf8(asked)) return FieldError(field, Quote(asked) + " is not valid UTF-8");
  std::string name = CanonicalName(asked);
  for (const CompiledRename& rename : renames_)
    name = Apply(*rename.regex, rename.rewrite, std::move(name));
  const auto found = index_of_name_.find(name);
  if (found != index_of_name_.end()) return found->second;
  const std::vector<std::string_view> candidates(names_.begin(), names_.end());
  std::vector<std::string> nearest;
  for (const std::string& candidate : Nearest(name, candidates, 3))
    nearest.push_back(Quote(candidate));
  return FieldError(field,
                    "no tensor is named " + Quote(asked) +
                        (nearest.empty() ? "" : "; nearest: " + Join(nearest, ", ")),
                    absl::StatusCode::kNotFound);
}

}  // namespace weightinit
