// A directory that goes with its owner, and with all that lies in it. Its path is short enough for a socket.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace shmemd::peers {

class TemporaryDirectory {
 public:
  // Ends the test program when there is no room for a directory.
  TemporaryDirectory() {
    if (::mkdtemp(path_.data()) == nullptr) {
      std::perror("mkdtemp");
      std::abort();
    }
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/shmemd-test-XXXXXX";
};

}  // namespace shmemd::peers
