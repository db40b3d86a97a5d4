// A file, or a directory of files, that appears whole or not at all, and that a later run continues
// where an earlier one stopped.
//
//   auto output = StagedOutput::Open({.target = "model.safetensors", …});
//   // For each block that (*output)->done() lacks, from any thread:
//   status = (*output)->Write(file, bytes, offset);  // all of its bytes, in any order
//   status = (*output)->BlockDone(block, digest);
//   status = (*output)->Commit({{file, head, 0}});   // or Leave(), to continue another time
//
// Bytes go to TARGET.partial, beside the target, and get its name by one rename once they are all
// on the disk. TARGET.journal says which blocks of it are there. A block is put down only after its
// bytes have been brought to the disk, so that neither a kill nor a power cut leaves a journal that
// promises more than the disk holds. What is there is continued only if it has the same identity, a
// hash of all that determines a byte; otherwise everything starts over. The journal is locked: two
// runs never write one target.
//
// Thread-safety: Write and BlockDone may be called from several threads at once; the other
// functions not.
#ifndef WEIGHTINIT_CLIENT_FORMATS_STAGED_OUTPUT_H_
#define WEIGHTINIT_CLIENT_FORMATS_STAGED_OUTPUT_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/formats/file_system.h"
#include "client/formats/journal.h"

namespace weightinit::client {

struct StagedFile {
  std::string name;  // within the directory; of a lone file empty
  std::int64_t num_bytes = 0;
};

struct StagedSpec {
  std::string target;
  bool is_directory = false;
  std::vector<StagedFile> files;  // one, unless a directory
  std::vector<std::size_t> file_of_block;
  std::string identity;  // one word
};

// Bytes of a file that are written at the end.
struct LateBytes {
  std::size_t file = 0;
  std::int64_t offset = 0;
  std::string bytes;
};

class StagedOutput {
 public:
  enum class Beginning : std::uint8_t { kFresh, kContinued, kStartedOver };

  // `file_system` must outlive the output; by default the real one. Errors: FAILED_PRECONDITION
  // for a target that another run is writing, for a directory that holds something, and for
  // files of those names that are not ours; those of the file system.
  static absl::StatusOr<std::unique_ptr<StagedOutput>> Open(StagedSpec spec,
                                                            FileSystem* file_system = nullptr);
  // As Leave.
  ~StagedOutput();
  StagedOutput(const StagedOutput&) = delete;
  StagedOutput& operator=(const StagedOutput&) = delete;

  Beginning beginning() const { return beginning_; }
  // What earlier runs have left on the disk.
  const DoneBlocks& done() const { return done_; }

  absl::Status Write(std::size_t file, std::span<const std::byte> bytes, std::int64_t offset);
  // All bytes of the block have been written. Soon in the journal.
  absl::Status BlockDone(std::size_t block, std::uint64_t digest);

  // Writes what is left, and gives the target its name. REQUIRES: all blocks are done
  absl::Status Commit(std::span<const LateBytes> late);

  // Stops. Keeps what can be continued: true; where there is nothing, removes all traces: false.
  bool Leave();

  // Of what holds the bytes until then: "model.safetensors.partial".
  std::string partial_path() const { return spec_.target + kPartial; }

  static constexpr char kPartial[] = ".partial", kJournal[] = ".journal";

 private:
  struct OpenFile {
    int fd = -1;
    bool is_made = false;  // by this run
    std::size_t blocks_left = 0;
  };
  struct DoneBlock {
    std::size_t block;
    std::uint64_t digest;
  };

  StagedOutput(StagedSpec spec, FileSystem* file_system);
  absl::Status Begin();
  absl::Status OpenParent();
  absl::Status CheckTarget();
  absl::Status LockJournal();
  absl::StatusOr<std::string> ReadJournal() const;
  absl::Status Continue(const std::string& journal);
  // Whether TARGET.partial is there with the sizes that it was made with.
  bool PartialIsThere() const;
  bool PartialNameExists() const;
  absl::Status OpenPartial();
  absl::Status StartOver();
  absl::Status RemovePartial();
  absl::StatusOr<int> FileDescriptor(std::size_t file);
  absl::Status Make(std::size_t file);
  int OpenStaged(std::size_t file, int flags) const;
  absl::Status WriteAll(int fd, std::span<const std::byte> bytes, std::int64_t offset) const;
  absl::Status Append(const std::string& text);
  absl::Status SyncFiles(const std::vector<std::size_t>& files);
  void KeepJournal(const std::stop_token& stop);
  absl::Status StopJournal();
  void Close(int* fd) const;
  void CloseAll();
  absl::Status Fail(int error, const std::string& doing) const;

  const StagedSpec spec_;
  FileSystem* const file_system_;
  std::string name_, partial_, journal_;  // within the parent
  int parent_ = -1, staging_ = -1;        // staging_: the directory with the files
  int journal_fd_ = -1;
  std::int64_t journal_bytes_ = 0;
  mode_t mode_ = 0;
  bool target_exists_ = false, journal_is_new_ = false;
  Beginning beginning_ = Beginning::kFresh;
  DoneBlocks done_;

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<OpenFile> files_;     // guarded by mutex_
  std::vector<DoneBlock> waiting_;  // guarded by mutex_
  absl::Status journal_status_;     // guarded by mutex_
  bool journaled_ = false;          // guarded by mutex_
  std::jthread keeper_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_STAGED_OUTPUT_H_
