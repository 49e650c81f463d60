// The certificate, the key and the client CA that a TLS listener needs, as read from their files and checked
// to fit together.
//
// A value; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace shmemd::api {

// PEM files, all three needed.
struct TlsFiles {
  std::string certificate;  // ours, the leaf first, then what it was signed by
  std::string key;          // of the leaf; not encrypted
  std::string client_ca;    // one or more that sign clients

  bool operator==(const TlsFiles&) const = default;
};

// What the three files hold.
struct TlsTexts {
  std::string certificate;
  std::string key;
  std::string client_ca;

  bool operator==(const TlsTexts&) const = default;
};

// Why a file cannot be used.
struct TlsFault {
  std::string setting;  // "tls.key"
  std::string file;
  std::string reason;  // "has no PEM private key"

  std::string Text() const;  // "tls.key /etc/shmemd/tls.key has no PEM private key"
  bool operator==(const TlsFault&) const = default;
};

struct CertificateSet {
  TlsTexts texts;
  // Seconds since the epoch.
  int64_t valid_from = 0;        // the leaf
  int64_t expiry = 0;            // the first to expire of the certificates that are shown
  int64_t client_ca_expiry = 0;  // the first to expire of those that hold now
  std::string subject;           // of the leaf, for people
  std::string serial;            // of the leaf, hexadecimal
};

// nullopt: `texts` is what the files hold now. At most 1 MiB each; regular files only.
std::optional<TlsFault> ReadTlsFiles(const TlsFiles& files, TlsTexts& texts);
// nullopt: everything parses, the key belongs to the certificate, OpenSSL takes both for a server; `set` is
// filled, as of `now` (seconds since the epoch).
std::optional<TlsFault> CheckTlsTexts(const TlsFiles& files, const TlsTexts& texts, int64_t now,
                                      CertificateSet& set);
// What of `set` has run out at `now`, or does not hold yet.
std::optional<TlsFault> CheckTlsTimes(const TlsFiles& files, const CertificateSet& set, int64_t now);
// Whether everybody on this host may read the file.
bool IsReadableByOthers(const std::string& file);

}  // namespace shmemd::api
