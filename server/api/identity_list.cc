#include "server/api/identity_list.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

namespace shmemd::api {
namespace {

// Two spellings of one IPv6 address are one.
std::string NormalIp(const std::string& text) {
  in6_addr address{};
  char normal[INET6_ADDRSTRLEN];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), &address) == 1) {
      return inet_ntop(family, &address, normal, sizeof(normal));
    }
  }
  return {};
}

bool IsDnsName(std::string_view text) {
  return !text.empty() && text.size() <= 253 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-._") == std::string_view::npos;
}

// A path that climbs is not below where it seems to be.
bool Climbs(std::string_view uri) {
  const auto has = [uri](std::string_view part) { return uri.find(part) != std::string_view::npos; };
  return has("/./") || has("/../") || uri.ends_with("/.") || uri.ends_with("/..") || has("%");
}

Identity Normal(Identity::Kind kind, const std::string& name) {
  switch (kind) {
    case Identity::Kind::kDns:
      return {kind, absl::AsciiStrToLower(name)};
    case Identity::Kind::kIp:
      return {kind, NormalIp(name)};
    case Identity::Kind::kUri:
    case Identity::Kind::kEmail:
      break;
  }
  return {kind, name};
}

Identity ParseEntry(const std::string& entry) {
  if (entry.find("://") != std::string::npos) return Normal(Identity::Kind::kUri, entry);
  if (entry.find('@') != std::string::npos) return Normal(Identity::Kind::kEmail, entry);
  if (!NormalIp(entry).empty()) return Normal(Identity::Kind::kIp, entry);
  return Normal(Identity::Kind::kDns, entry);
}

}  // namespace

std::string Identity::Text() const {
  switch (kind) {
    case Kind::kDns:
      return absl::StrCat("DNS:", name);
    case Kind::kUri:
      return absl::StrCat("URI:", name);
    case Kind::kEmail:
      return absl::StrCat("email:", name);
    case Kind::kIp:
      return absl::StrCat("IP:", name);
  }
  return name;
}

IdentityList IdentityList::Anybody() {
  IdentityList list;
  list.anybody_ = true;
  return list;
}

absl::StatusOr<IdentityList> IdentityList::Parse(const std::vector<std::string>& entries) {
  IdentityList list;
  for (const std::string& entry : entries) {
    const Identity identity = ParseEntry(entry);
    const bool is_uri = identity.kind == Identity::Kind::kUri;
    if (entry == "*") {
      list.anybody_ = true;
    } else if (is_uri && entry.ends_with("/*") && entry.find('*') == entry.size() - 1 &&
               !entry.ends_with("://*")) {
      list.prefixes_.push_back(entry.substr(0, entry.size() - 1));
    } else if (entry.find_first_of("* ") != std::string::npos ||
               (identity.kind == Identity::Kind::kDns && !IsDnsName(identity.name))) {
      return absl::InvalidArgumentError(absl::StrCat(
          "expected a DNS name, a URI, one that ends in /*, an e-mail or IP address, or *, got '", entry,
          "'"));
    } else {
      list.exact_.push_back(identity);
    }
  }
  return list;
}

bool IdentityList::Admits(const std::vector<Identity>& presented) const {
  return anybody_ || std::any_of(presented.begin(), presented.end(),
                                 [this](const Identity& identity) { return Admits(identity); });
}

bool IdentityList::Admits(const Identity& identity) const {
  const Identity normal = Normal(identity.kind, identity.name);
  if (normal.name.empty()) return false;
  if (std::find(exact_.begin(), exact_.end(), normal) != exact_.end()) return true;
  if (normal.kind != Identity::Kind::kUri || Climbs(normal.name)) return false;
  return std::any_of(prefixes_.begin(), prefixes_.end(), [&](const std::string& prefix) {
    return normal.name.size() > prefix.size() && normal.name.starts_with(prefix);
  });
}

}  // namespace shmemd::api
