#include "server/logging.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace weightinit::server {
namespace {

TEST(Logging, TextQuotesWhatCouldBreakALine) {
  EXPECT_EQ(FormatLine(LogFormat::kText, "T", LogLevel::kInfo, "ended",
                       {{"code", "OK"}, {"n", 5}, {"name", "a b\n\"c\""}, {"none", ""}}),
            "T info ended code=OK n=5 name=\"a b\\n\\\"c\\\"\" none=\"\"");
}

TEST(Logging, JsonIsOneValidObjectWhateverComes) {
  for (const std::string& hostile :
       {std::string("\n\",\"level\":\"x"), std::string("\x1b[31m\r\0z", 7), std::string("\xff\xfe"),
        std::string("\\"), std::string("\x7f")}) {
    const std::string line =
        FormatLine(LogFormat::kJson, "T", LogLevel::kWarn, "m", {{"name", hostile}, {"n", -3}});
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const nlohmann::json parsed = nlohmann::json::parse(line);
    EXPECT_EQ(parsed["level"], "warn");
    EXPECT_EQ(parsed["n"], -3);
    EXPECT_EQ(parsed.size(), 5u);
  }
  EXPECT_EQ(nlohmann::json::parse(JsonQuoted("é ≥ 0")), "é ≥ 0");
  EXPECT_EQ(JsonQuoted("\xc2\x9b"
                       "31m"),
            "\"\\u009b31m\"");
  EXPECT_EQ(nlohmann::json::parse(JsonQuoted("plain \t\"x\"")), "plain \t\"x\"");
}

}  // namespace
}  // namespace weightinit::server
