// Certificates of a test's own, made by openssl: a CA, a server at 127.0.0.1, and a client.
#pragma once

#include <string>

#include "tests/client/temp_folder.h"

namespace shmemd::client {

class Certificates {
 public:
  Certificates();

  // "ca", "server", "client": their certificates and keys as files, and as text.
  std::string Certificate(const std::string& who) const { return folder_.File(who + ".pem"); }
  std::string Key(const std::string& who) const { return folder_.File(who + ".key"); }
  static std::string Read(const std::string& path);

 private:
  void Sign(const std::string& who, const std::string& extension) const;

  TempFolder folder_;
};

}  // namespace shmemd::client
