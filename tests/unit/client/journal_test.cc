#include "client/formats/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weightinit::client {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;

constexpr char kIdentity[] = "0123456789abcdef";

TEST(JournalTest, IsReadBack) {
  const std::string text = JournalHead(kIdentity) + JournalLine(kIdentity, 2, 7) +
                           JournalLine(kIdentity, 0, ~std::uint64_t{0});
  const auto journal = ParseJournal(text, kIdentity, 3);
  ASSERT_TRUE(journal.has_value());
  EXPECT_THAT(journal->done, ElementsAre(Eq(~std::uint64_t{0}), Eq(std::nullopt), Eq(7)));
  EXPECT_EQ(journal->num_bytes, text.size());
}

TEST(JournalTest, OfAnotherOutputIsNone) {
  const std::string text = JournalHead(kIdentity) + JournalLine(kIdentity, 0, 7);
  EXPECT_FALSE(ParseJournal(text, "another", 3).has_value());
  EXPECT_FALSE(ParseJournal("", kIdentity, 3).has_value());
  EXPECT_TRUE(IsJournal(text));
  EXPECT_FALSE(IsJournal("my diary\n"));
}

TEST(JournalTest, ALineThatWasCutShortAndAllAfterItCountForNothing) {
  const std::string first = JournalHead(kIdentity) + JournalLine(kIdentity, 0, 7);
  const std::string second = JournalLine(kIdentity, 1, 8), third = JournalLine(kIdentity, 2, 9);
  for (std::size_t cut = 0; cut < second.size(); ++cut) {
    for (const std::string& broken :
         {second.substr(0, cut), second.substr(0, cut) + third,
          second.substr(0, cut) + std::string(second.size() - cut, '\0') + third}) {
      const auto journal = ParseJournal(first + broken, kIdentity, 3);
      ASSERT_TRUE(journal.has_value());
      if (broken == third) continue;  // nothing of the second line came: the third is whole
      EXPECT_THAT(journal->done, ElementsAre(Eq(7), Eq(std::nullopt), Eq(std::nullopt))) << cut;
      EXPECT_EQ(journal->num_bytes, first.size());
    }
  }
}

TEST(JournalTest, NoOtherCharacterOfALineMayChange) {
  const std::string head = JournalHead(kIdentity), line = JournalLine(kIdentity, 1, 8);
  for (std::size_t at = 0; at < line.size(); ++at) {
    std::string forged = line;
    forged[at] = forged[at] == '1' ? '2' : '1';
    const auto journal = ParseJournal(head + forged, kIdentity, 3);
    ASSERT_TRUE(journal.has_value());
    EXPECT_EQ(journal->num_bytes, head.size()) << at;
  }
  EXPECT_EQ(ParseJournal(head + JournalLine(kIdentity, 3, 8), kIdentity, 3)->num_bytes,
            head.size());
}

}  // namespace
}  // namespace weightinit::client
