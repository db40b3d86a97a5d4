// A file that appears whole or not at all.
//
//   auto file = OutputFile::Create("model.safetensors");
//   absl::Status status = file->Write(bytes, offset);  // in any order
//   status = file->Commit();                           // or let it go out of scope
//
// Bytes go to a temporary name in the target's own directory (never through a link, never over an
// existing file), and get the target's name by rename once they are all on the disk. Whatever
// fails, the target is as it was and the temporary file is removed; an uncaught kill may leave a
// file ".NAME.weightinit-…" behind, never a half target. An existing file is replaced,
// and keeps its permissions. Guaranteed
// after Commit has returned OK: the file survives a power cut.
//
// Thread-safety: Write may be called from several threads at once; the other functions not.
#ifndef WEIGHTINIT_CLIENT_FORMATS_OUTPUT_FILE_H_
#define WEIGHTINIT_CLIENT_FORMATS_OUTPUT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/formats/file_system.h"

namespace weightinit::client {

class OutputFile {
 public:
  // `file_system` must outlive the file; by default the real one. Errors name the path: no such
  // directory, a target that is a directory or a device, no space, …
  static absl::StatusOr<std::unique_ptr<OutputFile>> Create(const std::string& path,
                                                            FileSystem* file_system = nullptr);
  // Removes the temporary file unless committed.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Writes all of the bytes, or says why not.
  absl::Status Write(std::span<const std::byte> bytes, std::int64_t offset);

  // To be called once, after the last Write.
  absl::Status Commit();

  const std::string& path() const { return path_; }

 private:
  OutputFile(std::string path, FileSystem* file_system);
  absl::Status Open();
  absl::Status Fail(int error, const std::string& doing) const;
  void Close(int* fd);

  const std::string path_;
  FileSystem* const file_system_;
  std::string name_, temporary_;  // within the directory
  int directory_ = -1, fd_ = -1;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_OUTPUT_FILE_H_
