// Files appear whole or not at all, whichever step fails.
#include "client/formats/output_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace weightinit::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Counts the calls that can fail, and makes one of them fail.
class FaultyFileSystem final : public FileSystem {
 public:
  int calls = 0;
  int failing = -1;  // which call, from 0; −1: none
  int error = EIO;
  std::size_t most_per_write = SIZE_MAX;

  int Open(const char* path, int flags, mode_t mode) override {
    return Fails() ? -1 : FileSystem::Open(path, flags, mode);
  }
  int OpenAt(int directory, const char* name, int flags, mode_t mode) override {
    return Fails() ? -1 : FileSystem::OpenAt(directory, name, flags, mode);
  }
  ssize_t PWrite(int fd, const void* data, std::size_t size, off_t offset) override {
    return Fails() ? -1 : FileSystem::PWrite(fd, data, std::min(size, most_per_write), offset);
  }
  int FSync(int fd) override { return Fails() ? -1 : FileSystem::FSync(fd); }
  int RenameAt(int directory, const char* from, const char* to) override {
    return Fails() ? -1 : FileSystem::RenameAt(directory, from, to);
  }
  int Close(int fd) override {
    const int result = FileSystem::Close(fd);  // closed in any case, as close(2) does
    return Fails() ? -1 : result;
  }

 private:
  bool Fails() {
    const bool fails = calls++ == failing;
    if (fails) errno = error;
    return fails;
  }
};

class OutputFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/output_file_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    target_ = directory_ + "/w.bin";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  static std::string Content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  absl::Status WriteTarget(FileSystem* file_system, const std::string& text = "hello, world") {
    absl::StatusOr<std::unique_ptr<OutputFile>> file = OutputFile::Create(target_, file_system);
    if (!file.ok()) return file.status();
    const auto bytes = std::as_bytes(std::span(text));
    // Out of order, as values may arrive.
    absl::Status status = (*file)->Write(bytes.subspan(5), 5);
    if (status.ok()) status = (*file)->Write(bytes.first(5), 0);
    if (status.ok()) status = (*file)->Commit();
    return status;
  }

  std::string directory_, target_;
};

TEST_F(OutputFileTest, Whole) {
  FileSystem real;
  ASSERT_TRUE(WriteTarget(&real).ok());
  EXPECT_EQ(Content(target_), "hello, world");
  EXPECT_THAT(Names(), ElementsAre("w.bin"));
  struct stat info {};
  ASSERT_EQ(::stat(target_.c_str(), &info), 0);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  EXPECT_EQ(info.st_mode & 0777, 0644 & ~mask);
}

TEST_F(OutputFileTest, SeveralThreadsMayWriteAtOnce) {
  constexpr std::size_t kThreads = 4, kPieces = 500, kPieceBytes = 1000;
  std::string text(kThreads * kPieces * kPieceBytes, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * i >> 7);
  const std::unique_ptr<OutputFile> file = OutputFile::Create(target_).value();
  std::atomic<int> failures{0};
  {
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::size_t piece = thread; piece < kThreads * kPieces; piece += kThreads) {
          const auto bytes =
              std::as_bytes(std::span(text)).subspan(piece * kPieceBytes, kPieceBytes);
          const auto offset = static_cast<std::int64_t>(piece * kPieceBytes);
          if (!file->Write(bytes, offset).ok()) ++failures;
        }
      });
    }
  }
  ASSERT_EQ(failures, 0);
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_TRUE(Content(target_) == text);
}

TEST_F(OutputFileTest, AFileThatIsReplacedKeepsItsPermissions) {
  for (const mode_t mode : {0600u, 0666u, 0440u}) {
    std::ofstream(target_) << "old";
    ASSERT_EQ(::chmod(target_.c_str(), mode), 0);
    FileSystem real;
    ASSERT_TRUE(WriteTarget(&real).ok());
    struct stat info {};
    ASSERT_EQ(::stat(target_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, mode);
    std::filesystem::remove(target_);
  }
}

TEST_F(OutputFileTest, ShortWritesAreContinued) {
  FaultyFileSystem slow;
  slow.most_per_write = 1;
  ASSERT_TRUE(WriteTarget(&slow).ok());
  EXPECT_EQ(Content(target_), "hello, world");
}

TEST_F(OutputFileTest, AFaultAtEveryStepLeavesTheOldFileOrTheNewOne) {
  FaultyFileSystem counting;
  ASSERT_TRUE(WriteTarget(&counting).ok());
  ASSERT_GE(counting.calls, 8);
  for (const int error : {EIO, ENOSPC, EDQUOT, EACCES}) {
    for (int step = 0; step < counting.calls; ++step) {
      for (const bool exists : {false, true}) {
        std::filesystem::remove(target_);
        if (exists) std::ofstream(target_) << "old";
        FaultyFileSystem faulty;
        faulty.failing = step;
        faulty.error = error;
        const absl::Status status = WriteTarget(&faulty);
        // After the rename the file is whole under its name: only its survival is in doubt.
        const bool renamed = step >= counting.calls - 2;
        if (step < counting.calls - 1) {
          EXPECT_FALSE(status.ok()) << step;
          EXPECT_THAT(std::string(status.message()), HasSubstr(target_));
        }
        if (error == ENOSPC && !renamed) {
          EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
          EXPECT_THAT(std::string(status.message()), HasSubstr("the disk is full"));
        }
        if (exists || renamed) {
          EXPECT_THAT(Names(), ElementsAre("w.bin")) << step;
          EXPECT_EQ(Content(target_), renamed ? "hello, world" : "old") << step;
        } else {
          EXPECT_THAT(Names(), IsEmpty()) << step;
        }
      }
    }
  }
}

TEST_F(OutputFileTest, WithoutCommitNothingIsLeft) {
  {
    absl::StatusOr<std::unique_ptr<OutputFile>> file = OutputFile::Create(target_);
    ASSERT_TRUE(file.ok());
    ASSERT_EQ(Names().size(), 1u);
  }
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(OutputFileTest, TargetsThatAreNoFiles) {
  const auto refusal = [](const std::string& path) {
    return std::string(OutputFile::Create(path).status().message());
  };
  EXPECT_THAT(refusal(directory_), HasSubstr("is a directory"));
  EXPECT_THAT(refusal(directory_ + "/"), HasSubstr("names a directory"));
  EXPECT_THAT(refusal(directory_ + "/.."), HasSubstr("names a directory"));
  EXPECT_THAT(refusal(""), HasSubstr("names a directory"));
  EXPECT_THAT(refusal("/dev/full"), HasSubstr("is a device or pipe"));
  EXPECT_THAT(refusal(directory_ + "/missing/w.bin"), HasSubstr("directory cannot be opened"));
  ASSERT_EQ(::mkfifo((directory_ + "/fifo").c_str(), 0600), 0);
  EXPECT_THAT(refusal(directory_ + "/fifo"), HasSubstr("is a device or pipe"));
}

TEST_F(OutputFileTest, ALinkIsReplacedAndNotFollowed) {
  const std::string other = directory_ + "/other";
  std::ofstream(other) << "other";
  std::filesystem::create_symlink(other, target_);
  FileSystem real;
  ASSERT_TRUE(WriteTarget(&real).ok());
  EXPECT_EQ(Content(other), "other");
  EXPECT_FALSE(std::filesystem::is_symlink(target_));
  EXPECT_EQ(Content(target_), "hello, world");
}

TEST_F(OutputFileTest, TheLimitOfFileSizesIsAnError) {
  struct rlimit old {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const struct rlimit small { 8, old.rlim_max };
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  FileSystem real;
  const absl::Status status = WriteTarget(&real);
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(std::string(status.message()), HasSubstr("ulimit -f"));
  EXPECT_THAT(Names(), IsEmpty());
}

}  // namespace
}  // namespace weightinit::client
