#include "server/frontend/message_channel.h"

#include <cerrno>
#include <optional>
#include <utility>

namespace shmemd::frontend {

using state::Cause;
using state::StateReason;

namespace {

constexpr size_t kMostFdsWaiting = 64;

}  // namespace

MessageChannel::Received MessageChannel::End(const Cause& cause) {
  ended_ = true;
  CloseFds(fds_);
  Received received;
  received.status = Status::kEnded;
  received.cause = cause;
  return received;
}

MessageChannel::Received MessageChannel::Receive() {
  while (!ended_) {
    if (tally_.waiting() > kMostFdsWaiting) {
      Received busy;
      busy.status = Status::kBusy;
      return busy;
    }
    std::vector<base::UniqueFd> arrived;
    const bool starts_message = reader_.at_boundary();
    const net::IoResult io = net::Receive(socket_.get(), reader_.space(), arrived);
    if (io.status == net::IoStatus::kWouldBlock) return {};
    if (io.status == net::IoStatus::kError) {
      return End({.reason = StateReason::kSystemError, .error_number = io.error_number});
    }
    if (io.status == net::IoStatus::kClosed) {
      const bool torn = !reader_.at_boundary();
      return End({.reason = torn ? StateReason::kClosedMidMessage : StateReason::kClosedByBackend,
                  .error_number = io.error_number});
    }
    // The kernel dropped descriptors because our table is full: the message cannot be understood any more.
    if (io.fds_lost) {
      CloseFds(arrived);
      return End({.reason = StateReason::kSystemError, .error_number = EMFILE});
    }
    // Descriptors belong to the first byte of a message (specification, "Ancillary data"); QEMU takes others
    // for missing, and so do we.
    if (starts_message) fds_.swap(arrived);
    CloseFds(arrived);

    absl::StatusOr<std::optional<vhost::MessageView>> message = reader_.Advance(io.bytes);
    if (!message.ok()) {
      return End({.reason = StateReason::kMessageTooLarge,
                  .aspect = state::WireAspect::kPayloadBytes,
                  .message_id = reader_.header().request,
                  .expected = max_payload_bytes_,
                  .got = reader_.header().size});
    }
    if (message->has_value()) {
      Received received;
      received.status = Status::kMessage;
      received.message = **message;
      received.fds = std::exchange(fds_, {});
      return received;
    }
  }
  return End({.reason = StateReason::kClosedByBackend});
}

net::IoResult MessageChannel::Send(std::span<const uint8_t> message, base::UniqueFd fd) {
  output_.insert(output_.end(), message.begin(), message.end());
  output_fd_ = std::move(fd);
  return Flush();
}

net::IoResult MessageChannel::Flush() {
  while (!output_.empty()) {
    const int fd = output_fd_.get();
    const net::IoResult io =
        net::Send(socket_.get(), output_, fd >= 0 ? std::span<const int>(&fd, 1) : std::span<const int>());
    if (io.status != net::IoStatus::kDone) return io;
    output_fd_.reset();
    output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(io.bytes));
  }
  return {net::IoStatus::kDone};
}

}  // namespace shmemd::frontend
