#include "client/formats/tensor_file_name.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace weightinit::client {
namespace {

TEST(TensorFileNameTest, UsualNamesStayAsTheyAre) {
  EXPECT_EQ(TensorFileName("model.layers.0.q_proj.weight", ".npy"),
            "model.layers.0.q_proj.weight.npy");
}

TEST(TensorFileNameTest, NoNameIsAPath) {
  EXPECT_EQ(TensorFileName("../../etc/passwd", ".npy"), "%2E.%2F..%2Fetc%2Fpasswd.npy");
  EXPECT_EQ(TensorFileName("", ".npy"), "%.npy");
  EXPECT_EQ(TensorFileName(".", ".npy"), "%2E.npy");
  for (int c = 0; c < 256; ++c) {
    for (const std::string& name :
         {std::string(1, static_cast<char>(c)), "a" + std::string(1, static_cast<char>(c)) + "b"}) {
      const std::string file = TensorFileName(name, ".npy");
      EXPECT_NE(file[0], '.');
      EXPECT_EQ(file.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789_-.%"),
                std::string::npos)
          << file;
    }
  }
}

TEST(TensorFileNameTest, DifferentNamesAreDifferentFiles) {
  std::set<std::string> files;
  const std::string names[] = {"",
                               "%",
                               "%2F",
                               "/",
                               "a/b",
                               "a.b",
                               "a%2Fb",
                               "a b",
                               ".a",
                               "%2Ea",
                               std::string(300, 'x'),
                               std::string(301, 'x'),
                               std::string(300, 'x') + "y",
                               std::string(300, '/')};
  for (const std::string& name : names) {
    const std::string file = TensorFileName(name, ".npy");
    EXPECT_LE(file.size(), 255u);
    EXPECT_TRUE(files.insert(file).second) << file;
  }
}

}  // namespace
}  // namespace weightinit::client
