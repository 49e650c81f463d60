#include "tests/client/golden_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace shmemd::client {

void ExpectGolden(const std::string& name, const std::string& text) {
  const std::string path = std::string(TEST_DATA_DIR) + "/golden/" + name;
  if (std::getenv("SHMEMD_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file.good()) << path << " is missing";
  std::ostringstream kept;
  kept << file.rdbuf();
  EXPECT_EQ(text, kept.str()) << "of " << name;
}

}  // namespace shmemd::client
