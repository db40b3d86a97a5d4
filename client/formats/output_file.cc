#include "client/formats/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <random>

namespace weightinit::client {
namespace {

std::string RandomSuffix() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::random_device random;
  std::string suffix;
  for (int i = 0; i < 12; ++i) suffix += kHex[random() % 16];
  return suffix;
}

}  // namespace

absl::StatusOr<std::unique_ptr<OutputFile>> OutputFile::Create(const std::string& path,
                                                               FileSystem* file_system) {
  std::unique_ptr<OutputFile> file(
      new OutputFile(path, file_system == nullptr ? &FileSystem::Real() : file_system));
  if (absl::Status status = file->Open(); !status.ok()) return status;
  return file;
}

OutputFile::OutputFile(std::string path, FileSystem* file_system)
    : path_(std::move(path)), file_system_(file_system) {}

OutputFile::~OutputFile() {
  Close(&fd_);
  if (!temporary_.empty()) file_system_->UnlinkAt(directory_, temporary_.c_str());
  Close(&directory_);
}

void OutputFile::Close(int* fd) {
  if (*fd >= 0) file_system_->Close(*fd);
  *fd = -1;
}

absl::Status OutputFile::Fail(int error, const std::string& doing) const {
  std::string message = path_ + ": " + doing;
  if (error == ENOSPC || error == EDQUOT) message += ": the disk is full; nothing was kept";
  if (error == EFBIG) message += ": larger than the file system or a limit (ulimit -f) allows";
  return absl::ErrnoToStatus(error, message);
}

absl::Status OutputFile::Open() {
  const std::size_t slash = path_.rfind('/');
  name_ = slash == std::string::npos ? path_ : path_.substr(slash + 1);
  const std::string directory = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  if (name_.empty() || name_ == "." || name_ == "..") {
    return absl::InvalidArgumentError("'" + path_ + "' names a directory, not a file");
  }
  // The directory is held open: what it is called later does not matter.
  directory_ = file_system_->Open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (directory_ < 0) return Fail(errno, "its directory cannot be opened");

  mode_t mode = 0644;  // less what the umask takes away
  bool exists = false;
  struct stat info {};
  if (file_system_->StatAt(directory_, name_.c_str(), &info, 0) == 0) {
    if (S_ISDIR(info.st_mode)) {
      return absl::InvalidArgumentError(path_ + ": is a directory");
    }
    if (!S_ISREG(info.st_mode)) {
      return absl::InvalidArgumentError(path_ +
                                        ": is a device or pipe, which a file cannot replace; use "
                                        "-o - and redirect");
    }
    exists = true;
    mode = info.st_mode & 0777;
  }

  // An existing name is somebody else's, whoever that is: try others.
  constexpr int kAttempts = 16;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    // NAME_MAX is 255: the suffix takes 25 of them.
    std::string name = ".";
    name.append(name_, 0, 200).append(".weightinit-").append(RandomSuffix());
    fd_ = file_system_->OpenAt(directory_, name.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd_ >= 0) {
      temporary_ = name;
      // What the umask took away. Some file systems have no modes to set; less is then no harm.
      if (exists) file_system_->FChMod(fd_, mode);
      return absl::OkStatus();
    }
    if (errno != EEXIST) break;
  }
  return Fail(errno, "a file cannot be created in its directory");
}

absl::Status OutputFile::Write(std::span<const std::byte> bytes, std::int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t count = file_system_->PWrite(fd_, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    // 0 bytes without an error is a file system that would keep us here for ever.
    if (count <= 0) return Fail(count == 0 ? EIO : errno, "cannot be written");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += count;
  }
  return absl::OkStatus();
}

absl::Status OutputFile::Commit() {
  if (file_system_->FSync(fd_) != 0) return Fail(errno, "cannot be brought to the disk");
  // close reports what a network file system found out late.
  const int fd = fd_;
  fd_ = -1;
  if (file_system_->Close(fd) != 0) return Fail(errno, "cannot be closed");
  if (file_system_->RenameAt(directory_, temporary_.c_str(), name_.c_str()) != 0) {
    return Fail(errno, "cannot get its name");
  }
  temporary_.clear();
  // The name itself is data of the directory.
  if (file_system_->FSync(directory_) != 0 && errno != EINVAL && errno != ENOTSUP) {
    return Fail(errno, "is whole, but its name may not survive a power cut");
  }
  Close(&directory_);
  return absl::OkStatus();
}

}  // namespace weightinit::client
