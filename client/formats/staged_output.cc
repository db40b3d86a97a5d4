#include "client/formats/staged_output.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

namespace weightinit::client {
namespace {

// What we know of files lies on their names alone; through a link nothing is followed.
constexpr int kOpenFlags = O_NOFOLLOW | O_CLOEXEC;

bool IsOutOfSpace(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

}  // namespace

absl::StatusOr<std::unique_ptr<StagedOutput>> StagedOutput::Open(StagedSpec spec,
                                                                 FileSystem* file_system) {
  while (spec.is_directory && spec.target.size() > 1 && spec.target.ends_with('/')) {
    spec.target.pop_back();
  }
  std::unique_ptr<StagedOutput> output(new StagedOutput(
      std::move(spec), file_system == nullptr ? &FileSystem::Real() : file_system));
  if (absl::Status status = output->Begin(); !status.ok()) return status;
  return output;
}

StagedOutput::StagedOutput(StagedSpec spec, FileSystem* file_system)
    : spec_(std::move(spec)), file_system_(file_system), files_(spec_.files.size()) {
  const std::size_t slash = spec_.target.rfind('/');
  name_ = slash == std::string::npos ? spec_.target : spec_.target.substr(slash + 1);
  partial_ = name_ + kPartial;
  journal_ = name_ + kJournal;
}

StagedOutput::~StagedOutput() { Leave(); }

absl::Status StagedOutput::Fail(int error, const std::string& doing) const {
  std::string message = spec_.target + ": " + doing;
  if (error == ENOSPC || error == EDQUOT) message += ": the disk is full";
  if (error == EFBIG) message += ": larger than the file system or a limit (ulimit -f) allows";
  return absl::ErrnoToStatus(error, message);
}

void StagedOutput::Close(int* fd) const {
  if (*fd >= 0) file_system_->Close(*fd);
  *fd = -1;
}

// Opening
// ----------------------------------------------------------------------------

absl::Status StagedOutput::Begin() {
  if (absl::Status status = OpenParent(); !status.ok()) return status;
  if (absl::Status status = CheckTarget(); !status.ok()) return status;
  if (absl::Status status = LockJournal(); !status.ok()) return status;
  const absl::StatusOr<std::string> journal = ReadJournal();
  if (!journal.ok()) return journal.status();
  if (absl::Status status = Continue(*journal); !status.ok()) return status;
  for (std::size_t block = 0; block < spec_.file_of_block.size(); ++block) {
    if (!done_[block].has_value()) ++files_[spec_.file_of_block[block]].blocks_left;
  }
  keeper_ = std::jthread([this](const std::stop_token& stop) { KeepJournal(stop); });
  return absl::OkStatus();
}

absl::Status StagedOutput::OpenParent() {
  const std::size_t slash = spec_.target.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : spec_.target.substr(0, slash + 1);
  if (name_.empty() || name_ == "." || name_ == "..") {
    return absl::InvalidArgumentError("'" + spec_.target + "' cannot be written anew");
  }
  // The directory is held open: what it is called later does not matter.
  parent_ = file_system_->Open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  return parent_ < 0 ? Fail(errno, "its directory cannot be opened") : absl::OkStatus();
}

absl::Status StagedOutput::CheckTarget() {
  struct stat info {};
  target_exists_ = file_system_->StatAt(parent_, name_.c_str(), &info, 0) == 0;
  if (!target_exists_) return absl::OkStatus();
  mode_ = info.st_mode & 0777;
  if (!spec_.is_directory) {
    if (S_ISREG(info.st_mode)) return absl::OkStatus();
    return absl::InvalidArgumentError(
        spec_.target + (S_ISDIR(info.st_mode)
                            ? ": is a directory"
                            : ": is a device or pipe, which a file cannot replace; use -o - and "
                              "redirect"));
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(spec_.target + ": is no directory");
  }
  // An empty directory is replaced by one rename; from any other something could be lost.
  std::error_code error;
  if (!std::filesystem::is_empty(spec_.target, error) || error) {
    return absl::FailedPreconditionError(
        spec_.target + ": holds something; name a directory that is empty or not there yet");
  }
  struct stat parent {};
  if (::fstat(parent_, &parent) == 0 && parent.st_dev != info.st_dev) {
    return absl::InvalidArgumentError(spec_.target +
                                      ": another file system begins here; name a directory in it");
  }
  return absl::OkStatus();
}

absl::Status StagedOutput::LockJournal() {
  // A journal may be removed by the run that we wait behind: then there is a new one to lock.
  constexpr int kAttempts = 16;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    constexpr mode_t kMode = 0644;
    journal_fd_ = file_system_->OpenAt(parent_, journal_.c_str(),
                                       O_RDWR | O_CREAT | O_EXCL | kOpenFlags, kMode);
    journal_is_new_ = journal_fd_ >= 0;
    if (journal_fd_ < 0 && errno == EEXIST) {
      journal_fd_ = file_system_->OpenAt(parent_, journal_.c_str(), O_RDWR | kOpenFlags, 0);
      if (journal_fd_ < 0 && errno == ENOENT) continue;
    }
    if (journal_fd_ < 0) return Fail(errno, "its journal cannot be opened");
    // File systems without locks have none to fear.
    if (::flock(journal_fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      Close(&journal_fd_);
      return absl::FailedPreconditionError(spec_.target + ": another run is writing it");
    }
    struct stat ours {
    }, now{};
    if (::fstat(journal_fd_, &ours) == 0 && S_ISREG(ours.st_mode) &&
        file_system_->StatAt(parent_, journal_.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 &&
        ours.st_ino == now.st_ino && ours.st_dev == now.st_dev) {
      return absl::OkStatus();
    }
    Close(&journal_fd_);
  }
  return absl::UnavailableError(spec_.target + ": its journal cannot be locked");
}

absl::StatusOr<std::string> StagedOutput::ReadJournal() const {
  constexpr std::size_t kMost = std::size_t{64} << 20;  // a million blocks
  std::string text;
  char buffer[1 << 16];
  while (text.size() < kMost) {
    const ssize_t count =
        ::pread(journal_fd_, buffer, sizeof buffer, static_cast<off_t>(text.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Fail(errno, "its journal cannot be read");
    if (count == 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

absl::Status StagedOutput::Continue(const std::string& journal) {
  const std::string head = JournalHead(spec_.identity);
  const bool is_begun = !head.starts_with(journal);  // else: empty, or a head that was cut short
  if (is_begun && !IsJournal(journal)) {
    Close(&journal_fd_);  // not ours to remove
    return absl::FailedPreconditionError(spec_.target + kJournal +
                                         ": is in the way, and is not a journal");
  }
  if (journal_is_new_ && PartialNameExists()) {
    file_system_->UnlinkAt(parent_, journal_.c_str());
    Close(&journal_fd_);
    return absl::FailedPreconditionError(partial_path() +
                                         ": is in the way; remove it, if it is not needed");
  }
  std::optional<ParsedJournal> parsed =
      ParseJournal(journal, spec_.identity, spec_.file_of_block.size());
  const bool is_another = is_begun && !parsed.has_value();
  if (parsed.has_value()) {
    done_ = std::move(parsed->done);
    const bool has_done = std::any_of(done_.begin(), done_.end(),
                                      [](const auto& digest) { return digest.has_value(); });
    if (has_done && OpenPartial().ok() && PartialIsThere()) {
      beginning_ = Beginning::kContinued;
      journaled_ = true;
      journal_bytes_ = static_cast<std::int64_t>(parsed->num_bytes);
      return file_system_->FTruncate(journal_fd_, journal_bytes_) == 0
                 ? absl::OkStatus()
                 : Fail(errno, "its journal cannot be written");
    }
    Close(&staging_);
  }
  if (is_another && PartialNameExists()) beginning_ = Beginning::kStartedOver;
  return StartOver();
}

bool StagedOutput::PartialNameExists() const {
  struct stat info {};
  return file_system_->StatAt(parent_, partial_.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
}

bool StagedOutput::PartialIsThere() const {
  for (std::size_t block = 0; block < done_.size(); ++block) {
    if (!done_[block].has_value()) continue;
    const StagedFile& file = spec_.files[spec_.file_of_block[block]];
    const bool is_lone = !spec_.is_directory;
    struct stat info {};
    if (file_system_->StatAt(is_lone ? parent_ : staging_,
                             is_lone ? partial_.c_str() : file.name.c_str(), &info,
                             AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(info.st_mode) || info.st_size != file.num_bytes) {
      return false;
    }
  }
  return true;
}

absl::Status StagedOutput::OpenPartial() {
  if (!spec_.is_directory) return absl::OkStatus();
  staging_ =
      file_system_->OpenAt(parent_, partial_.c_str(), O_RDONLY | O_DIRECTORY | kOpenFlags, 0);
  return staging_ < 0 ? Fail(errno, "its partial directory cannot be opened") : absl::OkStatus();
}

absl::Status StagedOutput::StartOver() {
  done_.assign(spec_.file_of_block.size(), std::nullopt);
  // The old promises are off the disk before the bytes that they were about go.
  if (file_system_->FTruncate(journal_fd_, 0) != 0 || file_system_->FSync(journal_fd_) != 0) {
    return Fail(errno, "its journal cannot be written");
  }
  if (absl::Status status = RemovePartial(); !status.ok()) return status;
  journal_bytes_ = 0;
  if (absl::Status status = Append(JournalHead(spec_.identity)); !status.ok()) return status;
  if (spec_.is_directory) {
    constexpr mode_t kMode = 0755;
    if (file_system_->MkDirAt(parent_, partial_.c_str(), kMode) != 0) {
      return Fail(errno, "a directory cannot be created beside it");
    }
    return OpenPartial();
  }
  const absl::StatusOr<int> fd = FileDescriptor(0);  // also finds a full disk at once
  if (!fd.ok()) return fd.status();
  // What the umask took away. Some file systems have no modes to set; less is then no harm.
  if (target_exists_) file_system_->FChMod(*fd, mode_);
  return absl::OkStatus();
}

absl::Status StagedOutput::RemovePartial() {
  if (!PartialNameExists()) return absl::OkStatus();
  if (file_system_->UnlinkAt(parent_, partial_.c_str()) == 0) return absl::OkStatus();
  const int fd =
      file_system_->OpenAt(parent_, partial_.c_str(), O_RDONLY | O_DIRECTORY | kOpenFlags, 0);
  DIR* const directory = fd < 0 ? nullptr : ::fdopendir(fd);
  if (directory == nullptr) return Fail(errno, "what an earlier run left cannot be removed");
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  for (const std::string& name : names) file_system_->UnlinkAt(fd, name.c_str());
  ::closedir(directory);
  return file_system_->RmDirAt(parent_, partial_.c_str()) == 0
             ? absl::OkStatus()
             : Fail(errno, "what an earlier run left cannot be removed");
}

// Writing
// ----------------------------------------------------------------------------

int StagedOutput::OpenStaged(std::size_t file, int flags) const {
  // 0666 less what the umask takes away would be usual; nobody but us is to write a checkpoint.
  constexpr mode_t kMode = 0644;
  return spec_.is_directory
             ? file_system_->OpenAt(staging_, spec_.files[file].name.c_str(), flags | kOpenFlags,
                                    kMode)
             : file_system_->OpenAt(parent_, partial_.c_str(), flags | kOpenFlags, kMode);
}

absl::StatusOr<int> StagedOutput::FileDescriptor(std::size_t file) {
  const std::lock_guard lock(mutex_);
  if (absl::Status status = Make(file); !status.ok()) return status;
  return files_[file].fd;
}

absl::Status StagedOutput::Make(std::size_t file) {
  OpenFile& open = files_[file];
  if (open.fd >= 0) return absl::OkStatus();
  open.fd = OpenStaged(file, O_WRONLY | O_CREAT);
  if (open.fd < 0) return Fail(errno, "a file cannot be created beside it");
  open.is_made = true;
  // A disk that is too small is found before anything is drawn, where the file system can tell.
  const off_t size = spec_.files[file].num_bytes;
  if (size > 0 && file_system_->FAllocate(open.fd, size) != 0) {
    if (IsOutOfSpace(errno)) {
      return Fail(errno, "there is no room for its " + std::to_string(size) + " bytes");
    }
    if (file_system_->FTruncate(open.fd, size) != 0) return Fail(errno, "cannot be made its size");
  }
  return absl::OkStatus();
}

absl::Status StagedOutput::WriteAll(int fd, std::span<const std::byte> bytes,
                                    std::int64_t offset) const {
  while (!bytes.empty()) {
    const ssize_t count = file_system_->PWrite(fd, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    // 0 bytes without an error is a file system that would keep us here for ever.
    if (count <= 0) return Fail(count == 0 ? EIO : errno, "cannot be written");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += count;
  }
  return absl::OkStatus();
}

absl::Status StagedOutput::Write(std::size_t file, std::span<const std::byte> bytes,
                                 std::int64_t offset) {
  const absl::StatusOr<int> fd = FileDescriptor(file);
  return fd.ok() ? WriteAll(*fd, bytes, offset) : fd.status();
}

absl::Status StagedOutput::BlockDone(std::size_t block, std::uint64_t digest) {
  const std::lock_guard lock(mutex_);
  OpenFile& file = files_[spec_.file_of_block[block]];
  if (!file.is_made) {  // by tensors without elements, which nobody writes
    if (absl::Status status = Make(spec_.file_of_block[block]); !status.ok()) return status;
  }
  // A directory may have more files than a process may have open.
  if (--file.blocks_left == 0) Close(&file.fd);
  waiting_.push_back({block, digest});
  wake_.notify_one();
  return journal_status_;
}

absl::Status StagedOutput::Append(const std::string& text) {
  absl::Status status = WriteAll(journal_fd_, std::as_bytes(std::span(text)), journal_bytes_);
  if (!status.ok()) return status;
  journal_bytes_ += static_cast<std::int64_t>(text.size());
  return file_system_->FDataSync(journal_fd_) == 0 ? absl::OkStatus()
                                                   : Fail(errno, "its journal cannot be written");
}

absl::Status StagedOutput::SyncFiles(const std::vector<std::size_t>& files) {
  constexpr std::size_t kManyFiles = 8;  // one call for the whole file system is then cheaper
  if (files.size() > kManyFiles) {
    return file_system_->SyncFs(staging_) == 0 ? absl::OkStatus()
                                               : Fail(errno, "cannot be brought to the disk");
  }
  for (const std::size_t file : files) {
    int fd = OpenStaged(file, O_WRONLY);
    const bool is_synced = fd >= 0 && file_system_->FDataSync(fd) == 0;
    const int error = errno;
    Close(&fd);
    if (!is_synced) return Fail(error, "cannot be brought to the disk");
  }
  if (spec_.is_directory && file_system_->FSync(staging_) != 0) {
    return Fail(errno, "cannot be brought to the disk");
  }
  return absl::OkStatus();
}

void StagedOutput::KeepJournal(const std::stop_token& stop) {
  // Drawing goes on meanwhile; a kill loses what was drawn since. More often, and the disk has a
  // third less left for values.
  constexpr auto kBetween = std::chrono::milliseconds(2000);
  while (true) {
    std::vector<DoneBlock> batch;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, stop, [this] { return !waiting_.empty(); });
      batch.swap(waiting_);
    }
    if (batch.empty()) return;  // stopped
    std::vector<std::size_t> files;
    std::string lines;
    for (const DoneBlock& done : batch) {
      files.push_back(spec_.file_of_block[done.block]);
      lines += JournalLine(spec_.identity, done.block, done.digest);
    }
    std::sort(files.begin(), files.end());
    files.erase(std::unique(files.begin(), files.end()), files.end());
    absl::Status status = SyncFiles(files);
    if (status.ok()) status = Append(lines);
    std::unique_lock lock(mutex_);
    if (!status.ok()) {
      journal_status_ = std::move(status);
      return;
    }
    journaled_ = true;
    wake_.wait_for(lock, stop, kBetween, [] { return false; });
  }
}

absl::Status StagedOutput::StopJournal() {
  if (keeper_.joinable()) {
    keeper_.request_stop();
    keeper_.join();
  }
  const std::lock_guard lock(mutex_);
  return journal_status_;
}

absl::Status StagedOutput::Commit(std::span<const LateBytes> late) {
  if (absl::Status status = StopJournal(); !status.ok()) return status;
  for (const LateBytes& part : late) {
    int fd = OpenStaged(part.file, O_WRONLY | O_CREAT);
    if (fd < 0) return Fail(errno, "cannot be written");
    absl::Status status = WriteAll(fd, std::as_bytes(std::span(part.bytes)), part.offset);
    if (status.ok() && !spec_.is_directory && file_system_->FSync(fd) != 0) {
      status = Fail(errno, "cannot be brought to the disk");
    }
    // close reports what a network file system found out late.
    if (file_system_->Close(fd) != 0 && status.ok()) status = Fail(errno, "cannot be closed");
    if (!status.ok()) return status;
  }
  if (spec_.is_directory && file_system_->SyncFs(staging_) != 0) {
    return Fail(errno, "cannot be brought to the disk");
  }
  if (file_system_->RenameAt(parent_, partial_.c_str(), name_.c_str()) != 0) {
    return Fail(errno, "cannot get its name");
  }
  // The name itself is data of the directory.
  if (file_system_->FSync(parent_) != 0 && errno != EINVAL && errno != ENOTSUP) {
    return Fail(errno, "is whole, but its name may not survive a power cut");
  }
  file_system_->UnlinkAt(parent_, journal_.c_str());
  CloseAll();
  return absl::OkStatus();
}

bool StagedOutput::Leave() {
  if (journal_fd_ < 0) {  // never begun, or over
    CloseAll();
    return false;
  }
  StopJournal().IgnoreError();
  bool is_kept = false;
  {
    const std::lock_guard lock(mutex_);
    is_kept = journaled_;
  }
  if (!is_kept) {
    RemovePartial().IgnoreError();
    file_system_->UnlinkAt(parent_, journal_.c_str());
  }
  CloseAll();
  return is_kept;
}

void StagedOutput::CloseAll() {
  for (OpenFile& file : files_) Close(&file.fd);
  Close(&staging_);
  Close(&journal_fd_);
  Close(&parent_);
}

}  // namespace weightinit::client
