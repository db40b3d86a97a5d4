// What writing a file asks of the operating system: a seam, so that tests can make any step fail.
//
// Thread-safety: as the system calls.
#ifndef WEIGHTINIT_CLIENT_FORMATS_FILE_SYSTEM_H_
#define WEIGHTINIT_CLIENT_FORMATS_FILE_SYSTEM_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>

namespace weightinit::client {

// Every method as the system call of its name: −1 and errno on failure.
class FileSystem {
 public:
  // The one that is meant where none is given. Has no state.
  static FileSystem& Real();

  virtual ~FileSystem() = default;
  virtual int Open(const char* path, int flags, mode_t mode);
  virtual int OpenAt(int directory, const char* name, int flags, mode_t mode);
  virtual int StatAt(int directory, const char* name, struct stat* info, int flags);
  virtual int MkDirAt(int directory, const char* name, mode_t mode);
  virtual ssize_t PWrite(int fd, const void* data, std::size_t size, off_t offset);
  virtual int FAllocate(int fd, off_t size);  // of the whole file
  virtual int FTruncate(int fd, off_t size);
  virtual int FSync(int fd);
  virtual int FDataSync(int fd);
  virtual int SyncFs(int fd);
  virtual int RenameAt(int directory, const char* from, const char* to);
  virtual int UnlinkAt(int directory, const char* name);
  virtual int RmDirAt(int directory, const char* name);
  virtual int FChMod(int fd, mode_t mode);
  virtual int Close(int fd);
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_FILE_SYSTEM_H_
