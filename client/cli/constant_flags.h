// --constant NAME=NUMBER: numbers that a recipe's scale expressions leave to whoever uses it, such
// as how many layers the model has.
#ifndef WEIGHTINIT_CLIENT_CLI_CONSTANT_FLAGS_H_
#define WEIGHTINIT_CLIENT_CLI_CONSTANT_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "weightinit/recipe.h"

namespace CLI {
class App;
}

namespace weightinit::client {

class ConstantFlags {
 public:
  // `this` must outlive the parsing.
  void AddTo(CLI::App& app);

  bool given() const { return !texts_.empty(); }

  // Sets them, in place of the recipe's own. Errors (usage): no NAME=NUMBER; a name given twice, or
  // one that no expression of the recipe uses.
  absl::Status ApplyTo(Recipe& recipe) const;

 private:
  std::vector<std::string> texts_;
};

// An error about a name that a scale does not know, with the flag that may mend it; others
// unchanged.
absl::Status WithConstantHint(const absl::Status& status);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_CONSTANT_FLAGS_H_
