// From a name that is asked for to the tensor that it means.
#ifndef WEIGHTINIT_LIB_RECIPE_NAME_FINDER_H_
#define WEIGHTINIT_LIB_RECIPE_NAME_FINDER_H_

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/recipe.h"

namespace re2 {
class RE2;
}

namespace weightinit {

// Thread-safety: const member functions may be called from several threads at once.
class NameFinder {
 public:
  // `names` are canonical and distinct. Errors: INVALID_ARGUMENT at "renames[i]…".
  static absl::StatusOr<std::shared_ptr<const NameFinder>> Create(
      std::vector<std::string> names, const std::vector<Rename>& renames);

  NameFinder() = default;
  ~NameFinder();

  // The index into `names`. Errors: NOT_FOUND at `field` with the nearest names; INVALID_ARGUMENT
  // for text that is not UTF-8.
  absl::StatusOr<int> Find(std::string_view asked, std::string_view field) const;

 private:
  struct CompiledRename {
    std::unique_ptr<re2::RE2> regex;
    std::string rewrite;
  };
  std::vector<std::string> names_;
  std::unordered_map<std::string, int> index_of_name_;
  std::vector<CompiledRename> renames_;
};

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_NAME_FINDER_H_
