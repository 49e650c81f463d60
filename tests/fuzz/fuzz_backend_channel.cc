// A back-end that writes anything on its channel, in pieces, with descriptors: nothing crashes, nothing is
// left open, and the mappings that are held equal those that are shown. The input is a list of pieces: a byte
// of length, a byte whose low two bits count descriptors, then the bytes.
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <vector>

#include "server/frontend/backend_channel.h"
#include "server/net/message_io.h"
#include "server/net/unix_socket.h"
#include "tests/fuzz/fuzz.h"

namespace {

namespace base = shmemd::base;
namespace feed = shmemd::feed;
namespace frontend = shmemd::frontend;
namespace net = shmemd::net;
namespace state = shmemd::state;
using base::UniqueFd;
using shmemd::fuzz::Require;

constexpr uint64_t kPage = 4096;

size_t OpenFdCount() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

class Bench : frontend::BackendChannel::Observer {
 public:
  Bench()
      : loop_(net::EventLoop::Create().value()),
        queue_(64),
        publisher_(queue_, 1, kPage),
        backend_(publisher_.Attach({.id = "fuzz", .backend_socket = "/x"})),
        budget_(frontend::ReadMappingBudget(limits_)),
        windows_(limits_, budget_, kPage),
        file_(memfd_create("fuzz", MFD_CLOEXEC)) {
    publisher_.Publish(backend_, state::Connected{});
    for (const uint8_t shmid : {uint8_t{0}, uint8_t{2}}) {
      publisher_.Publish(backend_, state::RegionReported{.size_bytes = uint64_t{1} << 20, .shmid = shmid});
    }
    auto pair = net::ChannelPair().value();
    peer_ = std::move(pair.second);
    channel_ = std::make_unique<frontend::BackendChannel>(
        *loop_, closer_, std::move(pair.first), publisher_, backend_, windows_,
        static_cast<frontend::BackendChannel::Observer&>(*this));
    channel_->Start(true);
  }

  void Feed(const uint8_t* bytes, size_t size, size_t fd_count) {
    const std::vector<int> fds(fd_count, file_.get());
    net::Send(peer_.get(), {bytes, size}, fds);
    while (loop_->Turn(0) > 0) {
    }
    Require(publisher_.Find(backend_)->Totals().mapping_count == windows_.mapping_count(),
            "what is shown is what is mapped");
    Drain();
  }

 private:
  void OnChannelEnded(const state::Cause& cause) override {
    Require(cause.on_backend_channel, "the cause names the channel");
    channel_.reset();
  }
  void Drain() {
    std::vector<uint8_t> space(4096);
    std::vector<UniqueFd> fds;
    while (net::Receive(peer_.get(), space, fds).status == net::IoStatus::kDone) {
    }
    Require(fds.empty(), "answers carry no descriptors");
  }

  net::FdCloser closer_;
  std::unique_ptr<net::EventLoop> loop_;
  feed::UpdateQueue queue_;
  feed::Publisher publisher_;
  state::BackendHandle backend_;
  const frontend::Limits limits_{.max_mappings = 8};
  frontend::MappingBudget budget_;
  frontend::BackendWindows windows_;
  UniqueFd file_;
  UniqueFd peer_;
  std::unique_ptr<frontend::BackendChannel> channel_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const size_t before = OpenFdCount();
  {
    Bench bench;
    while (size > 2) {
      const size_t part = std::min<size_t>(data[0], size - 2);
      if (part > 0) bench.Feed(data + 2, part, data[1] % 4);
      data += 2 + part;
      size -= 2 + part;
    }
  }
  Require(OpenFdCount() == before, "every descriptor is closed");
  return 0;
}
