// A file that is read at offsets, by several threads.
//
// Read by pread, not mapped: a file that becomes shorter meanwhile, or a disk that fails, is then
// an error and not a signal.
//
// Thread-safety: Read may be called from several threads at once.
#ifndef WEIGHTINIT_CLIENT_FORMATS_INPUT_FILE_H_
#define WEIGHTINIT_CLIENT_FORMATS_INPUT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weightinit::client {

class InputFile {
 public:
  // Errors name the path.
  static absl::StatusOr<InputFile> Open(const std::string& path);
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;

  // All of the bytes. Errors: DATA_LOSS where the file ends before.
  absl::Status Read(std::span<std::byte> bytes, std::int64_t offset) const;

 private:
  InputFile(std::string path, int fd);
  std::string path_;
  int fd_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_INPUT_FILE_H_
