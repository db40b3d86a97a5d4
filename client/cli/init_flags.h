// --init and the parameters of every method as flags of their own.
//
//   --init kaiming_uniform --mode fan_in --nonlinearity relu
//   --init 'kaiming_uniform(mode=fan_in, nonlinearity=relu)'
//
// Flags only compose the text form; the library reads it, and its refusals are the program's.
#ifndef WEIGHTINIT_CLIENT_CLI_INIT_FLAGS_H_
#define WEIGHTINIT_CLIENT_CLI_INIT_FLAGS_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "weightinit/initializer.h"

namespace CLI {
class App;
}

namespace weightinit::client {

class InitFlags {
 public:
  // `this` must outlive the parsing.
  void AddTo(CLI::App& app);

  bool given() const { return !init_.empty(); }

  // Whether --NAME, which is also a flag of tensors (scale, groups), goes to the method.
  bool Takes(std::string_view parameter) const;

  // The value of such a flag; empty where it was not given.
  const std::string& Value(const std::string& parameter) const;

  // Errors (usage): a parameter that was given; --init, which names its method, was not.
  absl::Status CheckNoParameters() const;

  // REQUIRES: given(). Errors (usage): a parameter flag beside a text form; those of
  // ParseInitializer.
  absl::StatusOr<Initializer> Parse() const;

 private:
  std::string init_;
  std::map<std::string, std::string> values_;  // every parameter of every method
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_INIT_FLAGS_H_
