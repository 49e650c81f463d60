#include "server/api/certificate_set.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <memory>
#include <vector>

#include "server/base/posix_error.h"
#include "server/base/unique_fd.h"

namespace shmemd::api {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(BIGNUM* number) const { BN_free(number); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;
using Certificates = std::vector<Owned<X509>>;

Owned<BIO> Reading(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The first of OpenSSL's complaints, in its words; empties its queue.
std::string WhatOpenSslSays() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  return reason == nullptr ? "no reason given" : reason;
}

// Never asks at a terminal.
int NoPassword(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return 0;
}

// All certificates of a text; empty, and `torn` set, if one of them is broken.
Certificates ParseCertificates(const std::string& text, bool& torn) {
  Certificates found;
  const Owned<BIO> bio = Reading(text);
  ERR_clear_error();
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    found.emplace_back(certificate);
  }
  // The end of the text is said by "no start line".
  torn = ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (torn) found.clear();
  return found;
}

int64_t Seconds(const ASN1_TIME* time) {
  tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? int64_t{timegm(&parts)} : 0;
}

std::string Date(int64_t seconds) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::FromUnixSeconds(seconds), absl::UTCTimeZone());
}

std::string SubjectOf(const X509& certificate) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(&certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return size > 0 ? std::string(text, static_cast<size_t>(size)) : "without a subject";
}

std::string SerialOf(const X509& certificate) {
  const Owned<BIGNUM> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(&certificate), nullptr));
  char* text = number == nullptr ? nullptr : BN_bn2hex(number.get());
  std::string serial = text == nullptr ? "" : text;
  OPENSSL_free(text);
  return serial;
}

std::optional<std::string> ReadFile(const std::string& path, std::string& text) {
  // Not blocking: a FIFO in the file's place must hold up nobody.
  const base::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!file.is_open() || fstat(file.get(), &status) != 0) {
    return absl::StrCat("cannot be read: ", std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) return "is no regular file";
  text.clear();
  char block[16 * 1024];
  ssize_t got = 0;
  while ((got = read(file.get(), block, sizeof(block))) > 0) {
    text.append(block, static_cast<size_t>(got));
    if (text.size() > kMaxFileBytes) return "has more than 1 MiB";
  }
  if (got < 0) return absl::StrCat("cannot be read: ", std::strerror(errno));
  return std::nullopt;
}

TlsFault Certificate(const TlsFiles& files, std::string reason) {
  return {"tls.certificate", files.certificate, std::move(reason)};
}
TlsFault Key(const TlsFiles& files, std::string reason) { return {"tls.key", files.key, std::move(reason)}; }
TlsFault ClientCa(const TlsFiles& files, std::string reason) {
  return {"tls.client_ca", files.client_ca, std::move(reason)};
}

// nullptr, and why.
Owned<EVP_PKEY> ParseKey(const std::string& text, std::string& why) {
  bool asked = false;
  ERR_clear_error();
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(Reading(text).get(), nullptr, NoPassword, &asked));
  ERR_clear_error();
  if (key == nullptr) why = asked ? "is encrypted" : "has no PEM private key";
  return key;
}

std::optional<TlsFault> CheckPair(const TlsFiles& files, X509* leaf, EVP_PKEY* key) {
  if (X509_check_private_key(leaf, key) != 1) {
    ERR_clear_error();
    return Key(files, absl::StrCat("does not belong to the certificate in ", files.certificate));
  }
  // What OpenSSL's security level refuses, e.g. a short key, is not to be found out by clients.
  const Owned<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  ERR_clear_error();
  if (context == nullptr || SSL_CTX_use_certificate(context.get(), leaf) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key) != 1) {
    return Certificate(files, absl::StrCat("is not taken by OpenSSL: ", WhatOpenSslSays()));
  }
  return std::nullopt;
}

int64_t FirstExpiry(const Certificates& certificates, int64_t after) {
  int64_t first = std::numeric_limits<int64_t>::max();
  for (const auto& certificate : certificates) {
    const int64_t expiry = Seconds(X509_get0_notAfter(certificate.get()));
    if (expiry > after) first = std::min(first, expiry);
  }
  return first;
}

int64_t LastExpiry(const Certificates& certificates) {
  int64_t last = 0;
  for (const auto& certificate : certificates) {
    last = std::max(last, Seconds(X509_get0_notAfter(certificate.get())));
  }
  return last;
}

}  // namespace

std::string TlsFault::Text() const { return absl::StrCat(setting, " ", file, " ", reason); }

std::optional<TlsFault> ReadTlsFiles(const TlsFiles& files, TlsTexts& texts) {
  if (auto why = ReadFile(files.certificate, texts.certificate)) return Certificate(files, *why);
  if (auto why = ReadFile(files.key, texts.key)) return Key(files, *why);
  if (auto why = ReadFile(files.client_ca, texts.client_ca)) return ClientCa(files, *why);
  return std::nullopt;
}

std::optional<TlsFault> CheckTlsTexts(const TlsFiles& files, const TlsTexts& texts, int64_t now,
                                      CertificateSet& set) {
  bool torn = false;
  const Certificates chain = ParseCertificates(texts.certificate, torn);
  if (torn) return Certificate(files, "has a broken PEM certificate");
  if (chain.empty()) return Certificate(files, "has no PEM certificate");
  const Certificates authorities = ParseCertificates(texts.client_ca, torn);
  if (torn) return ClientCa(files, "has a broken PEM certificate");
  if (authorities.empty()) return ClientCa(files, "has no PEM certificate");
  std::string why;
  const Owned<EVP_PKEY> key = ParseKey(texts.key, why);
  if (key == nullptr) return Key(files, why);
  if (auto fault = CheckPair(files, chain.front().get(), key.get())) return fault;
  set.texts = texts;
  set.valid_from = Seconds(X509_get0_notBefore(chain.front().get()));
  set.expiry = FirstExpiry(chain, 0);
  const int64_t last = LastExpiry(authorities);
  set.client_ca_expiry = last > now ? FirstExpiry(authorities, now) : last;
  set.subject = SubjectOf(*chain.front());
  set.serial = SerialOf(*chain.front());
  return std::nullopt;
}

std::optional<TlsFault> CheckTlsTimes(const TlsFiles& files, const CertificateSet& set, int64_t now) {
  if (now < set.valid_from)
    return Certificate(files, absl::StrCat("is not valid before ", Date(set.valid_from)));
  if (now >= set.expiry) return Certificate(files, absl::StrCat("has expired on ", Date(set.expiry)));
  if (now >= set.client_ca_expiry) {
    return ClientCa(files, absl::StrCat("has expired on ", Date(set.client_ca_expiry)));
  }
  return std::nullopt;
}

bool IsReadableByOthers(const std::string& file) {
  struct stat status {};
  return stat(file.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0;
}

}  // namespace shmemd::api
