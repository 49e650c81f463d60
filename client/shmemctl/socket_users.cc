#include "client/shmemctl/socket_users.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>

#include "client/print/text.h"
#include "client/shmemctl/unix_table.h"
#include "server/base/file_id.h"
#include "server/base/unique_fd.h"

namespace shmemd::shmemctl {
namespace {

namespace fs = std::filesystem;

using Inodes = std::set<uint64_t>;

constexpr uint32_t kEstablished = 1;  // TCP's number, which this interface uses for all kinds of sockets
constexpr timeval kPatience = {.tv_sec = 1, .tv_usec = 0};

bool AskForPeers(int netlink) {
  struct {
    nlmsghdr header{};
    unix_diag_req body{};
  } request;
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = AF_UNIX;
  request.body.udiag_states = 1U << kEstablished;
  request.body.udiag_show = UDIAG_SHOW_PEER;
  return send(netlink, &request, sizeof(request), 0) == static_cast<ssize_t>(sizeof(request));
}

// Adds the other end of a socket, if it is one of `ends`.
void AddPeer(const nlmsghdr& header, const Inodes& ends, Inodes* peers) {
  if (header.nlmsg_len < NLMSG_LENGTH(sizeof(unix_diag_msg))) return;
  const auto* message = static_cast<const unix_diag_msg*>(NLMSG_DATA(&header));
  if (ends.count(message->udiag_ino) == 0) return;
  auto left = static_cast<int>(header.nlmsg_len - NLMSG_LENGTH(sizeof(unix_diag_msg)));
  for (const auto* attribute = reinterpret_cast<const rtattr*>(message + 1); RTA_OK(attribute, left);
       attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type != UNIX_DIAG_PEER || RTA_PAYLOAD(attribute) < sizeof(uint32_t)) continue;
    uint32_t peer = 0;
    std::memcpy(&peer, RTA_DATA(attribute), sizeof(peer));
    peers->insert(peer);
  }
}

// The other ends of connections. Empty where the kernel does not tell: not every one is built to.
Inodes PeersOf(const Inodes& ends) {
  Inodes peers;
  const base::UniqueFd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink.is_open()) return peers;
  setsockopt(netlink.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  if (!AskForPeers(netlink.get())) return peers;
  alignas(nlmsghdr) std::array<char, 32768> buffer;
  while (true) {
    const ssize_t got = recv(netlink.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) return peers;
    auto left = static_cast<size_t>(got);
    for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) return peers;
      AddPeer(*header, ends, &peers);
    }
  }
}

// The socket behind a descriptor's link, "socket:[123]"; 0: it is none.
uint64_t SocketInode(const fs::path& link) {
  constexpr std::string_view kPrefix = "socket:[";
  std::error_code error;
  const std::string target = fs::read_symlink(link, error).string();
  uint64_t inode = 0;
  if (error || !target.starts_with(kPrefix) || !target.ends_with(']')) return 0;
  const bool number =
      absl::SimpleAtoi(target.substr(kPrefix.size(), target.size() - kPrefix.size() - 1), &inode);
  return number ? inode : 0;
}

bool HoldsOneOf(const fs::path& process, const Inodes& inodes) {
  std::error_code error;
  for (fs::directory_iterator fd(process / "fd", error), end; !error && fd != end; fd.increment(error)) {
    if (inodes.count(SocketInode(fd->path())) != 0) return true;
  }
  return false;
}

// The processes that have one of the sockets open, as far as they can be looked into.
std::vector<std::string> HoldersOf(const Inodes& inodes) {
  std::map<int, std::string> holders;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    int pid = 0;
    if (inodes.empty() || !absl::SimpleAtoi(entry->path().filename().string(), &pid)) continue;
    if (!HoldsOneOf(entry->path(), inodes)) continue;
    std::string name;
    std::ifstream comm(entry->path() / "comm");
    std::getline(comm, name);
    holders[pid] = absl::StrCat(client::Printable(name, false), " (pid ", pid, ")");
  }
  std::vector<std::string> names;
  names.reserve(holders.size());
  for (auto& [pid, name] : holders) names.push_back(std::move(name));
  return names;
}

}  // namespace

SocketUsers FindSocketUsers(const std::string& socket) {
  std::ifstream file("/proc/net/unix");
  std::ostringstream table;
  table << file.rdbuf();
  SocketUsers users;
  users.known = !table.str().empty();
  // Names without a slash in front are no files, or relative to a directory that is not ours.
  const auto connections = ConnectionsAt(table.str(), [&](const std::string& path) {
    return path == socket || (path.starts_with('/') && base::IsSameFile(path, socket));
  });
  users.connections = connections.size();
  std::set<std::string> paths;
  Inodes accepted;
  for (const UnixConnection& connection : connections) {
    accepted.insert(connection.inode);
    if (connection.path != socket) paths.insert(connection.path);
  }
  users.paths.assign(paths.begin(), paths.end());
  if (connections.empty()) return users;
  users.clients = HoldersOf(PeersOf(accepted));
  users.backends = HoldersOf(accepted);
  return users;
}

}  // namespace shmemd::shmemctl
