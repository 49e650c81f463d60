// A folder of a test's own, gone with everything in it at the end.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace shmemd::client {

class TempFolder {
 public:
  TempFolder() {
    char name[] = "/tmp/shmemd-client-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace shmemd::client
