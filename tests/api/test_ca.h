// A certificate authority for tests, made anew each time.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace shmemd::api {

// PEM, as a client or a server takes it.
struct TestCertificate {
  std::string certificate;
  std::string key;
};

class TestCa {
 public:
  static constexpr long kDay = 86'400;
  // `valid_until`: seconds from now.
  explicit TestCa(const std::string& name = "test CA", long valid_until = kDay);

  // What is said of a certificate that is to be issued; seconds from now.
  struct Request {
    std::string common_name = "peer";
    std::vector<std::string> names;  // as OpenSSL writes them: "DNS:x", "URI:y", "IP:127.0.0.1", "email:z"
    long valid_from = -3600;
    long valid_until = 3600;
  };
  TestCertificate Issue(const Request& request) const;
  // For a server on this host.
  TestCertificate IssueServer(const std::string& common_name = "shmemd") const;

  // PEM.
  const std::string& certificate() const { return pem_; }

 private:
  struct Free {
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };

  std::unique_ptr<EVP_PKEY, Free> key_;
  std::unique_ptr<X509, Free> certificate_;
  std::string pem_;
};

}  // namespace shmemd::api
