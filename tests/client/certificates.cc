#include "tests/client/certificates.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace shmemd::client {
namespace {

void Run(const std::string& command) {
  ASSERT_EQ(std::system((command + " >/dev/null 2>&1").c_str()), 0) << command;
}

}  // namespace

Certificates::Certificates() {
  Run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ca "
      "-keyout " +
      Key("ca") + " -out " + Certificate("ca"));
  Sign("server", "subjectAltName=IP:127.0.0.1,DNS:shmemd.test");
  Sign("client", "subjectAltName=URI:spiffe://test/client");
}

void Certificates::Sign(const std::string& who, const std::string& extension) const {
  const std::string request = folder_.File(who + ".csr");
  const std::string extensions = folder_.File(who + ".ext");
  std::ofstream(extensions) << extension << "\n";
  Run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=" + who + " -keyout " +
      Key(who) + " -out " + request);
  Run("openssl x509 -req -days 2 -in " + request + " -CA " + Certificate("ca") + " -CAkey " + Key("ca") +
      " -CAcreateserial -extfile " + extensions + " -out " + Certificate(who));
}

std::string Certificates::Read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace shmemd::client
