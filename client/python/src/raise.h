// Errors of the library as exceptions of Python. The classes stand in weightinit/errors.py.
#ifndef WEIGHTINIT_CLIENT_PYTHON_SRC_RAISE_H_
#define WEIGHTINIT_CLIENT_PYTHON_SRC_RAISE_H_

#include <exception>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weightinit::python {

// Thrown by what is bound; the translator makes weightinit.errors.Error of it.
class StatusError : public std::exception {
 public:
  explicit StatusError(absl::Status status) : status_(std::move(status)) {}
  const absl::Status& status() const { return status_; }
  const char* what() const noexcept override { return "a status of weightinit"; }

 private:
  absl::Status status_;
};

inline void OrRaise(const absl::Status& status) {
  if (!status.ok()) throw StatusError(status);
}

template <typename T>
T OrRaise(absl::StatusOr<T> value) {
  if (!value.ok()) throw StatusError(value.status());
  return *std::move(value);
}

void RegisterErrors();

}  // namespace weightinit::python

#endif  // WEIGHTINIT_CLIENT_PYTHON_SRC_RAISE_H_
