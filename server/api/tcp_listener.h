// A listening TCP socket.
//
// Owned by whoever accepts; any thread.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <utility>

#include "server/base/unique_fd.h"

namespace shmemd::api {

class TcpListener {
 public:
  // `address`: "127.0.0.1:18045", "[::1]:18045", "localhost:18045" (as 127.0.0.1), ":18046" (every address of
  // this host, of IPv4 alone where there is no IPv6); port 0 picks one. InvalidArgument for what is no such
  // address; a port in use is an error that names it. `setting` is who asks, for the errors: "api.listen".
  static absl::StatusOr<TcpListener> Listen(std::string_view setting, std::string_view address);

  // Whether it is an address that only this host reaches; the InvalidArgument that Listen would give, without
  // opening anything.
  static absl::StatusOr<bool> IsLoopback(std::string_view setting, std::string_view address);

  int fd() const { return socket_.get(); }  // non-blocking, close-on-exec; borrowed
  // With the port that was picked.
  const std::string& address() const { return address_; }

 private:
  TcpListener(base::UniqueFd socket, std::string address)
      : socket_(std::move(socket)), address_(std::move(address)) {}

  base::UniqueFd socket_;
  std::string address_;
};

}  // namespace shmemd::api
