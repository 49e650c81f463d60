// The parts of docs/ that are made from tables of the program.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace shmemd::docs {

// Fails the test unless docs/NAME has exactly `text` between its two marks. With SHMEMD_UPDATE_GOLDEN set it
// is put there instead.
inline void ExpectInReference(const std::string& name, const std::string& text) {
  const std::string begin_mark = "<!-- made from the program: begin -->\n";
  const std::string end_mark = "<!-- made from the program: end -->\n";
  const std::string path = std::string(SHMEMD_DOCS_DIR) + "/" + name;
  std::ostringstream read;
  read << std::ifstream(path).rdbuf();
  const std::string all = read.str();
  const size_t begin = all.find(begin_mark);
  const size_t end = all.find(end_mark);
  ASSERT_TRUE(begin != std::string::npos && end != std::string::npos) << path << " has no marks";
  const size_t from = begin + begin_mark.size();
  if (std::getenv("SHMEMD_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << all.substr(0, from) << text << all.substr(end);
    return;
  }
  EXPECT_EQ(all.substr(from, end - from), text)
      << "docs/" << name << "; SHMEMD_UPDATE_GOLDEN=1 writes it anew";
}

}  // namespace shmemd::docs
