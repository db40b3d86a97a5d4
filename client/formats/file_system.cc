#include "client/formats/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace weightinit::client {

FileSystem& FileSystem::Real() {
  static FileSystem real;
  return real;
}

int FileSystem::Open(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }
int FileSystem::OpenAt(int directory, const char* name, int flags, mode_t mode) {
  return ::openat(directory, name, flags, mode);
}
int FileSystem::StatAt(int directory, const char* name, struct stat* info, int flags) {
  return ::fstatat(directory, name, info, flags);
}
int FileSystem::MkDirAt(int directory, const char* name, mode_t mode) {
  return ::mkdirat(directory, name, mode);
}
ssize_t FileSystem::PWrite(int fd, const void* data, std::size_t size, off_t offset) {
  return ::pwrite(fd, data, size, offset);
}
int FileSystem::FAllocate(int fd, off_t size) { return ::fallocate(fd, 0, 0, size); }
int FileSystem::FTruncate(int fd, off_t size) { return ::ftruncate(fd, size); }
int FileSystem::FSync(int fd) { return ::fsync(fd); }
int FileSystem::FDataSync(int fd) { return ::fdatasync(fd); }
int FileSystem::SyncFs(int fd) { return ::syncfs(fd); }
int FileSystem::RenameAt(int directory, const char* from, const char* to) {
  return ::renameat(directory, from, directory, to);
}
int FileSystem::UnlinkAt(int directory, const char* name) { return ::unlinkat(directory, name, 0); }
int FileSystem::RmDirAt(int directory, const char* name) {
  return ::unlinkat(directory, name, AT_REMOVEDIR);
}
int FileSystem::FChMod(int fd, mode_t mode) { return ::fchmod(fd, mode); }
int FileSystem::Close(int fd) { return ::close(fd); }

}  // namespace weightinit::client
