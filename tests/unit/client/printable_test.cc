#include "client/printable.h"

#include <gtest/gtest.h>

namespace weightinit::client {
namespace {

TEST(Printable, KeepsText) {
  EXPECT_EQ(Printable("layer.0 é 漢 😀 √±"), "layer.0 é 漢 😀 √±");
  EXPECT_EQ(Printable(""), "");
}

TEST(Printable, DisarmsControlCharacters) {
  EXPECT_EQ(Printable("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(Printable("a\r\nb\t"), "a\\x0d\\x0ab\\x09");
  EXPECT_EQ(Printable("a\nb\r", /*keep_newlines=*/true), "a\nb\\x0d");
  EXPECT_EQ(Printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(Printable("\x7f"), "\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "1m"),
            "\\xc2\\x9b1m");  // C1: another escape
  EXPECT_EQ(Printable("\xe2\x80\xae"
                      "x"),
            "\\xe2\\x80\\xaex");                            // right to left
  EXPECT_EQ(Printable("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");  // a line separator
}

TEST(Printable, DisarmsWhatIsNotUtf8) {
  EXPECT_EQ(Printable("\xff"), "\\xff");
  EXPECT_EQ(Printable("\xc3"), "\\xc3");
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf");
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(Printable("\xe9"
                      "a"),
            "\\xe9a");
}

}  // namespace
}  // namespace weightinit::client
