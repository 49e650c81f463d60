// Which TLS clients may use a listener: an allow-list of what their certificates name as subject alternative
// names.
//
// A value; any thread.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

namespace shmemd::api {

// What a certificate calls its owner.
struct Identity {
  enum class Kind { kDns, kUri, kEmail, kIp };
  Kind kind = Kind::kDns;
  std::string name;

  std::string Text() const;  // "URI:spiffe://cluster/ns/vms"
  bool operator==(const Identity&) const = default;
};

class IdentityList {
 public:
  // Admits nobody.
  IdentityList() = default;

  // Each entry is a DNS name, a URI (it has "://"), an e-mail address (it has "@") or an IP address; a URI
  // that ends in "/*" stands for all that go on after the slash, and "*" alone for every certificate that the
  // client CA signed. InvalidArgument for what is none of these.
  static absl::StatusOr<IdentityList> Parse(const std::vector<std::string>& entries);
  static IdentityList Anybody();

  bool admits_anybody() const { return anybody_; }
  bool empty() const { return !anybody_ && exact_.empty() && prefixes_.empty(); }
  // An entry admits an identity of its own kind only. DNS names are compared without regard to case.
  bool Admits(const std::vector<Identity>& presented) const;

 private:
  bool Admits(const Identity& identity) const;

  bool anybody_ = false;
  std::vector<Identity> exact_;
  std::vector<std::string> prefixes_;  // of URIs, with the slash
};

}  // namespace shmemd::api
