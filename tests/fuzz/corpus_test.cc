// Sends a fuzz target's corpus through it. Built once for each target, see CMakeLists.txt.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace shmemd::fuzz {
namespace {

std::vector<std::filesystem::path> CorpusFiles() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(CORPUS_DIR)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// A broken promise or a sanitizer's finding ends the process; the last file named is the culprit.
TEST(CorpusTest, EveryFileWholeAndCutAtEveryByte) {
  const std::vector<std::filesystem::path> files = CorpusFiles();
  ASSERT_FALSE(files.empty()) << CORPUS_DIR;
  for (const std::filesystem::path& path : files) {
    std::printf("%s\n", path.filename().c_str());
    std::ifstream file(path, std::ios::binary);
    const std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(file)), {});
    ASSERT_TRUE(file.good() || file.eof()) << path;
    for (size_t cut = 0; cut <= bytes.size(); ++cut) {
      const std::vector<uint8_t> torn(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(cut));
      ASSERT_EQ(LLVMFuzzerTestOneInput(torn.data(), torn.size()), 0);
    }
  }
}

}  // namespace
}  // namespace shmemd::fuzz
