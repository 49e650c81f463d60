// A listening TCP socket on a loopback address, the only kind that may be served without TLS.
//
// Owned by whoever accepts; any thread.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <utility>

#include "server/base/unique_fd.h"

namespace shmemd::api {

class LoopbackListener {
 public:
  // `address`: "127.0.0.1:18045", "[::1]:18045", "localhost:18045" (as 127.0.0.1); port 0 picks one.
  // InvalidArgument for what is no such address or no loopback address; a port in use is an error that names
  // it.
  static absl::StatusOr<LoopbackListener> Listen(std::string_view address);

  // The InvalidArgument that Listen would give, without opening anything.
  static absl::Status Check(std::string_view address);

  int fd() const { return socket_.get(); }  // non-blocking, close-on-exec; borrowed
  // With the port that was picked.
  const std::string& address() const { return address_; }

 private:
  LoopbackListener(base::UniqueFd socket, std::string address)
      : socket_(std::move(socket)), address_(std::move(address)) {}

  base::UniqueFd socket_;
  std::string address_;
};

}  // namespace shmemd::api
