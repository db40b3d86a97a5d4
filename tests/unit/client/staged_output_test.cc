// Outputs that appear whole or not at all, and go on where an earlier run stopped, whichever step
// fails.
#include "client/formats/staged_output.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace weightinit::client {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// Counts the calls that can fail, and makes one of them and all later ones fail: nothing that is
// done after a machine has stopped can make up for what was not done before.
class DyingFileSystem final : public FileSystem {
 public:
  std::atomic<int> calls = 0;
  int dies_at = -1;  // which call, from 0; −1: never

  int OpenAt(int directory, const char* name, int flags, mode_t mode) override {
    return Fails() ? -1 : FileSystem::OpenAt(directory, name, flags, mode);
  }
  int MkDirAt(int directory, const char* name, mode_t mode) override {
    return Fails() ? -1 : FileSystem::MkDirAt(directory, name, mode);
  }
  ssize_t PWrite(int fd, const void* data, std::size_t size, off_t offset) override {
    return Fails() ? -1 : FileSystem::PWrite(fd, data, std::min<std::size_t>(size, 3), offset);
  }
  int FAllocate(int fd, off_t size) override {
    return Fails() ? -1 : FileSystem::FAllocate(fd, size);
  }
  int FTruncate(int fd, off_t size) override {
    return Fails() ? -1 : FileSystem::FTruncate(fd, size);
  }
  int FSync(int fd) override { return Fails() ? -1 : FileSystem::FSync(fd); }
  int FDataSync(int fd) override { return Fails() ? -1 : FileSystem::FDataSync(fd); }
  int SyncFs(int fd) override { return Fails() ? -1 : FileSystem::SyncFs(fd); }
  int RenameAt(int directory, const char* from, const char* to) override {
    return Fails() ? -1 : FileSystem::RenameAt(directory, from, to);
  }
  int UnlinkAt(int directory, const char* name) override {
    return Fails() ? -1 : FileSystem::UnlinkAt(directory, name);
  }
  int RmDirAt(int directory, const char* name) override {
    return Fails() ? -1 : FileSystem::RmDirAt(directory, name);
  }

 private:
  bool Fails() {
    const int call = calls++;
    const bool fails = dies_at >= 0 && call >= dies_at;
    if (fails) errno = EIO;
    return fails;
  }
};

std::string Content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// Whether it is about a file or a directory.
class StagedOutputTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/staged_output_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    target_ = directory_ + "/w";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  // Three blocks of 8 bytes behind a head of 4; in the directory the last of them in a second file.
  StagedSpec Spec(const std::string& identity = "identity") const {
    StagedSpec spec;
    spec.target = target_;
    spec.is_directory = GetParam();
    spec.identity = identity;
    if (GetParam()) {
      spec.files = {{"a", 20}, {"b", 12}, {"index", 0}};
      spec.file_of_block = {0, 0, 1};
    } else {
      spec.files = {{"", 28}};
      spec.file_of_block = {0, 0, 0};
    }
    return spec;
  }

  static std::string BlockText(std::size_t block) {
    return std::string(7, static_cast<char>('x' + block)) + "\n";
  }
  static std::int64_t BlockOffset(std::size_t block) {
    return 4 + 8 * static_cast<std::int64_t>(GetParam() && block == 2 ? 0 : block);
  }

  // Writes the blocks that are not there yet; how many those were.
  absl::StatusOr<int> Run(FileSystem* file_system = nullptr, int most_blocks = 3,
                          const std::string& identity = "identity") {
    absl::StatusOr<std::unique_ptr<StagedOutput>> output =
        StagedOutput::Open(Spec(identity), file_system);
    if (!output.ok()) return output.status();
    beginning_ = (*output)->beginning();
    int drawn = 0;
    std::uint64_t digest = 0;
    for (std::size_t block = 0; block < 3; ++block) {
      if ((*output)->done()[block].has_value()) {
        digest += *(*output)->done()[block];
        continue;
      }
      if (drawn == most_blocks) {
        kept_ = (*output)->Leave();
        return absl::AbortedError("stopped");
      }
      const std::string text = BlockText(block);
      const auto bytes = std::as_bytes(std::span(text));
      absl::Status status =
          (*output)->Write(Spec().file_of_block[block], bytes.subspan(3), BlockOffset(block) + 3);
      if (status.ok()) {
        status = (*output)->Write(Spec().file_of_block[block], bytes.first(3), BlockOffset(block));
      }
      if (!status.ok()) return status;
      status = (*output)->BlockDone(block, block + 1);
      if (!status.ok()) return status;
      digest += block + 1;
      ++drawn;
    }
    EXPECT_EQ(digest, 6u);
    const std::vector<LateBytes> late =
        GetParam() ? std::vector<LateBytes>{{0, 0, "head"}, {1, 0, "HEAD"}, {2, 0, "index"}}
                   : std::vector<LateBytes>{{0, 0, "head"}};
    if (absl::Status status = (*output)->Commit(late); !status.ok()) return status;
    return drawn;
  }

  void ExpectWhole() const {
    if (GetParam()) {
      EXPECT_EQ(Content(target_ + "/a"), "head" + BlockText(0) + BlockText(1));
      EXPECT_EQ(Content(target_ + "/b"), "HEAD" + BlockText(2));
      EXPECT_EQ(Content(target_ + "/index"), "index");
    } else {
      EXPECT_EQ(Content(target_), "head" + BlockText(0) + BlockText(1) + BlockText(2));
    }
    EXPECT_THAT(Names(), ElementsAre("w"));
  }

  std::string directory_, target_;
  StagedOutput::Beginning beginning_ = StagedOutput::Beginning::kFresh;
  bool kept_ = false;
};

TEST_P(StagedOutputTest, Whole) {
  const absl::StatusOr<int> drawn = Run();
  ASSERT_TRUE(drawn.ok()) << drawn.status();
  EXPECT_EQ(*drawn, 3);
  ExpectWhole();
}

TEST_P(StagedOutputTest, GoesOnWhereARunStopped) {
  EXPECT_FALSE(Run(nullptr, 1).ok());
  EXPECT_TRUE(kept_);
  EXPECT_THAT(Names(), UnorderedElementsAre("w.partial", "w.journal"));
  EXPECT_FALSE(Run(nullptr, 1).ok());
  EXPECT_EQ(beginning_, StagedOutput::Beginning::kContinued);
  const absl::StatusOr<int> drawn = Run();
  ASSERT_TRUE(drawn.ok()) << drawn.status();
  EXPECT_EQ(*drawn, 1);
  ExpectWhole();
}

TEST_P(StagedOutputTest, LeavesNothingWhereNothingCanBeContinued) {
  EXPECT_FALSE(Run(nullptr, 0).ok());
  EXPECT_FALSE(kept_);
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_P(StagedOutputTest, AnotherIdentityStartsOver) {
  EXPECT_FALSE(Run(nullptr, 2).ok());
  const absl::StatusOr<int> drawn = Run(nullptr, 3, "another");
  ASSERT_TRUE(drawn.ok()) << drawn.status();
  EXPECT_EQ(beginning_, StagedOutput::Beginning::kStartedOver);
  EXPECT_EQ(*drawn, 3);
  ExpectWhole();
}

TEST_P(StagedOutputTest, WhateverStepTheMachineStopsAtTheNextRunGivesTheWhole) {
  DyingFileSystem counting;
  ASSERT_TRUE(Run(&counting).ok());
  const int calls = counting.calls;
  ASSERT_GT(calls, 20);
  for (int at = 0; at < calls; ++at) {
    std::filesystem::remove_all(target_);
    DyingFileSystem dying;
    dying.dies_at = at;
    const absl::StatusOr<int> died = Run(&dying);
    // What has its name is whole; the last steps only tidy up.
    if (std::filesystem::exists(target_)) {
      std::filesystem::remove(target_ + ".journal");
      ExpectWhole();
      if (GetParam()) std::filesystem::remove_all(target_);
    } else {
      EXPECT_FALSE(died.ok()) << at;
    }
    // As after a power cut, a journal that never came to the disk may be missing its directory
    // entry no more than the file: what is left is continued or begun anew.
    const absl::StatusOr<int> drawn = Run();
    ASSERT_TRUE(drawn.ok()) << at << ": " << drawn.status();
    ExpectWhole();
  }
}

TEST_P(StagedOutputTest, APartialThatShrankOrIsGoneIsNotTrusted) {
  for (const bool is_gone : {false, true}) {
    EXPECT_FALSE(Run(nullptr, 2).ok());
    const std::string file = target_ + ".partial" + (GetParam() ? "/a" : "");
    if (is_gone) {
      std::filesystem::remove_all(file);
    } else {
      std::filesystem::resize_file(file, 9);
    }
    const absl::StatusOr<int> drawn = Run();
    ASSERT_TRUE(drawn.ok()) << drawn.status();
    EXPECT_EQ(*drawn, 3);
    ExpectWhole();
    std::filesystem::remove_all(target_);
  }
}

TEST_P(StagedOutputTest, ATornJournalIsBelievedUpToTheTear) {
  EXPECT_FALSE(Run(nullptr, 2).ok());
  const std::string journal = target_ + ".journal";
  std::filesystem::resize_file(journal, std::filesystem::file_size(journal) - 5);
  EXPECT_FALSE(Run(nullptr, 1).ok());  // its line stands where the torn one stood
  const absl::StatusOr<int> drawn = Run();
  ASSERT_TRUE(drawn.ok()) << drawn.status();
  EXPECT_EQ(*drawn, 1);
  ExpectWhole();
}

TEST_P(StagedOutputTest, TwoRunsNeverWriteOneTarget) {
  absl::StatusOr<std::unique_ptr<StagedOutput>> first = StagedOutput::Open(Spec());
  ASSERT_TRUE(first.ok());
  const absl::StatusOr<std::unique_ptr<StagedOutput>> second = StagedOutput::Open(Spec());
  EXPECT_THAT(second.status().message(), HasSubstr("another run is writing it"));
  EXPECT_THAT(Names(), ::testing::Contains("w.journal"));
  first->reset();
  EXPECT_TRUE(Run().ok());
  ExpectWhole();
}

TEST_P(StagedOutputTest, FilesOfThoseNamesThatAreNotOursStay) {
  std::ofstream(target_ + ".journal") << "my diary\n";
  EXPECT_THAT(Run().status().message(), HasSubstr("is not a journal"));
  EXPECT_EQ(Content(target_ + ".journal"), "my diary\n");
  std::filesystem::remove(target_ + ".journal");
  std::ofstream(target_ + ".partial") << "my part\n";
  EXPECT_THAT(Run().status().message(), HasSubstr("is in the way"));
  EXPECT_EQ(Content(target_ + ".partial"), "my part\n");
  EXPECT_THAT(Names(), ElementsAre("w.partial"));
}

TEST_P(StagedOutputTest, NoLinkIsFollowed) {
  const std::string precious = directory_ + "/precious";
  std::ofstream(precious) << "precious";
  std::filesystem::create_symlink(precious, target_ + ".journal");
  EXPECT_FALSE(Run().ok());
  std::filesystem::remove(target_ + ".journal");
  std::filesystem::create_symlink(precious, target_ + ".partial");
  EXPECT_FALSE(Run().ok());
  EXPECT_EQ(Content(precious), "precious");
}

TEST_P(StagedOutputTest, ManyThreadsMayWrite) {
  absl::StatusOr<std::unique_ptr<StagedOutput>> output = StagedOutput::Open(Spec());
  ASSERT_TRUE(output.ok());
  std::vector<std::thread> threads;
  for (std::size_t block = 0; block < 3; ++block) {
    threads.emplace_back([&, block] {
      const std::string text = BlockText(block);
      EXPECT_TRUE((*output)
                      ->Write(Spec().file_of_block[block], std::as_bytes(std::span(text)),
                              BlockOffset(block))
                      .ok());
      EXPECT_TRUE((*output)->BlockDone(block, 1).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  output->reset();
  const absl::StatusOr<std::unique_ptr<StagedOutput>> again = StagedOutput::Open(Spec());
  ASSERT_TRUE(again.ok());
  EXPECT_THAT((*again)->done(), Each(std::optional<std::uint64_t>(1)));
}

TEST_P(StagedOutputTest, ABlockWithoutBytesHasAFileToo) {
  absl::StatusOr<std::unique_ptr<StagedOutput>> output = StagedOutput::Open(Spec());
  ASSERT_TRUE(output.ok());
  for (std::size_t block = 0; block < 3; ++block) {
    EXPECT_TRUE((*output)->BlockDone(block, block).ok());
  }
  EXPECT_TRUE((*output)->Leave());
  output = StagedOutput::Open(Spec());
  ASSERT_TRUE(output.ok());
  EXPECT_EQ((*output)->beginning(), StagedOutput::Beginning::kContinued);
  EXPECT_EQ((*output)->done()[2], 2u);
}

TEST_P(StagedOutputTest, ADirectoryThatHoldsSomethingIsNotReplaced) {
  if (!GetParam()) return;
  std::filesystem::create_directory(target_);
  EXPECT_TRUE(Run().ok());  // an empty one is
  ExpectWhole();
  EXPECT_THAT(Run().status().message(), HasSubstr("holds something"));
  ExpectWhole();
}

TEST_P(StagedOutputTest, AFileThatIsReplacedKeepsItsPermissions) {
  if (GetParam()) return;
  std::ofstream(target_) << "old";
  ASSERT_EQ(::chmod(target_.c_str(), 0600), 0);
  EXPECT_FALSE(Run(nullptr, 1).ok());
  EXPECT_EQ(Content(target_), "old");
  ASSERT_TRUE(Run().ok());
  struct stat info {};
  ASSERT_EQ(::stat(target_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

INSTANTIATE_TEST_SUITE_P(FileAndDirectory, StagedOutputTest, ::testing::Bool(),
                         [](const auto& param_info) {
                           return param_info.param ? "Directory" : "File";
                         });

}  // namespace
}  // namespace weightinit::client
