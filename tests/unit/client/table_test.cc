#include "client/cli/table.h"

#include <gtest/gtest.h>

namespace weightinit::client {
namespace {

TEST(Table, AlignsAndDisarms) {
  Table table({{"NAME"}, {"SIZE", Table::Align::kRight}, {"WHY"}});
  table.Add({"é", "1", "x"});
  table.Add({"longer", "1000", "a\nb"});
  EXPECT_EQ(table.Text(Terminal(false, false, 10)),
            "NAME    SIZE  WHY\n"
            "é          1  x\n"
            "longer  1000  a\\x0ab\n");
}

TEST(Table, OnANarrowTerminalTextsGetShorterAndNumbersDoNot) {
  Table table({{.title = "NAME", .fit = Table::Fit::kShortenedInTheMiddle},
               {.title = "DTYPE", .rank = 1},
               {.title = "STD", .align = Table::Align::kRight},
               {.title = "WHY", .rank = 2, .moved = Table::Moved::kBelow}});
  table.Add({"layer1.0.downsample.weight", "F32", "0.125", "a reason"});
  table.Add({"fc", "F32", "1", ""});
  EXPECT_EQ(table.Text(Terminal(true, false, 60)),
            "NAME                        DTYPE    STD  WHY\n"
            "layer1.0.downsample.weight  F32    0.125  a reason\n"
            "fc                          F32        1\n");
  EXPECT_EQ(table.Text(Terminal(true, false, 38)),
            "NAME                      DTYPE    STD\n"
            "layer1.0.do…ample.weight  F32    0.125\n"
            "    a reason\n"
            "fc                        F32        1\n");
  EXPECT_EQ(table.Text(Terminal(true, false, 30)),
            "NAME                       STD\n"
            "layer1.0.do…mple.weight  0.125\n"
            "    a reason\n"
            "fc                           1\n"
            "(no room for DTYPE)\n");
  // Where nothing helps, lines are wider than the terminal; the numbers stand in them.
  EXPECT_EQ(table.Text(Terminal(true, false, 6)),
            "…    STD\n"
            "…  0.125\n"
            "    a…\n"
            "…      1\n"
            "(no r…\n");
}

TEST(Text, Units) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1000), "1.0 kB");
  EXPECT_EQ(HumanBytes(999'949'999), "999.9 MB");
  EXPECT_EQ(HumanBytes(999'999'999), "1.0 GB");
  EXPECT_EQ(HumanBytes(1.8e19), "18.0 EB");
  EXPECT_EQ(WithCommas(0), "0");
  EXPECT_EQ(WithCommas(999), "999");
  EXPECT_EQ(WithCommas(1000), "1,000");
  EXPECT_EQ(WithCommas(25557032), "25,557,032");
  EXPECT_EQ(Cut("abc", 3), "abc");
  EXPECT_EQ(Cut("abcd", 3), "ab…");
  EXPECT_EQ(Cut("éééé", 2), "é…");
  EXPECT_EQ(Cut("abc", 0), "");
  EXPECT_EQ(CutMiddle("abcdef", 6), "abcdef");
  EXPECT_EQ(CutMiddle("abcdef", 5), "ab…ef");
  EXPECT_EQ(CutMiddle("éüöäß", 4), "é…äß");
  EXPECT_EQ(CutMiddle("abc", 1), "…");
  EXPECT_EQ(CutMiddle("abc", 0), "");
  EXPECT_EQ(DigestText(0xabc), "0000000000000abc");
}

TEST(Terminal, StylesOnlyWithColours) {
  EXPECT_EQ(Terminal(true, true, 80).Bold("a"), "\x1b[1ma\x1b[0m");
  EXPECT_EQ(Terminal(true, false, 80).Bold("a"), "a");
}

}  // namespace
}  // namespace weightinit::client
