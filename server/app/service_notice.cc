#include "server/app/service_notice.h"

#include <absl/strings/str_cat.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "server/base/clock.h"
#include "server/base/unique_fd.h"

namespace shmemd::app {
namespace {

constexpr int64_t kNsPerUs = 1000;
constexpr int64_t kUsPerMs = 1000;

// An errno, or 0.
int SendTo(std::string_view path, const std::string& notice) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';  // no file: an abstract name
  const base::UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const ssize_t sent = ::sendto(fd.get(), notice.data(), notice.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&address), length);
  return sent < 0 ? errno : 0;
}

void Send(const std::string& notice) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') return;
  if (const int error = SendTo(path, notice); error != 0) {
    spdlog::warn("NOTIFY_SOCKET {}: {}", path, std::strerror(error));
  }
}

}  // namespace

void NoticeReady(std::string_view status) { Send(absl::StrCat("READY=1\nSTATUS=", std::string(status))); }

void NoticeReloading() {
  Send(absl::StrCat("RELOADING=1\nMONOTONIC_USEC=", base::MonotonicNanos() / kNsPerUs));
}

void NoticeStopping(int64_t at_most_ms) {
  Send(absl::StrCat("STOPPING=1\nSTATUS=lets sessions end\nEXTEND_TIMEOUT_USEC=", at_most_ms * kUsPerMs));
}

}  // namespace shmemd::app
