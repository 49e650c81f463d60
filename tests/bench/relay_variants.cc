#include "tests/bench/relay_variants.h"

#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>

#include "tests/bench/relay_wire.h"
#include "tests/peers/channel.h"
#include "tests/peers/demo_backend.h"
#include "tests/peers/fd.h"
#include "tests/peers/temporary_directory.h"
#include "tests/peers/wire.h"

namespace shmemd::bench {
namespace {

using peers::Fd;

constexpr uint64_t kRegionBytes = uint64_t{1} << 30;
constexpr uint64_t kProtocolFeatures = 0x400429;  // MQ, REPLY_ACK, BACKEND_REQ, BACKEND_SEND_FD, SHMEM

std::pair<Fd, Fd> Pair() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) Die("socketpair");
  return {Fd(ends[0]), Fd(ends[1])};
}

void Pin(bool is_pinned) {
  if (!is_pinned) return;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(0, &cores);
  if (::sched_setaffinity(0, sizeof(cores), &cores) != 0) Die("sched_setaffinity");
}

// A process that dies with this one and holds no descriptors but `kept` and the standard ones.
void Spawn(const std::vector<int>& kept, const std::function<void()>& body) {
  if (::fork() != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int fd = STDERR_FILENO + 1; fd < 1024; ++fd) {
    bool is_kept = false;
    for (const int wanted : kept) is_kept = is_kept || wanted == fd;
    if (!is_kept) ::close(fd);
  }
  body();
  std::_Exit(0);
}

// The VMM's side of the channel: answers whoever asks.
void AnswerRequests(int socket) {
  std::array<uint8_t, 64 * kRequestBytes> space;
  size_t filled = 0;
  while (true) {
    const Received got = ReceiveSome(socket, std::span(space).subspan(filled));
    if (got.bytes <= 0) return;
    CloseAll(got);
    filled += static_cast<size_t>(got.bytes);
    size_t done = 0;
    for (; filled - done >= kRequestBytes; done += kRequestBytes) {
      uint32_t id = 0;
      std::memcpy(&id, space.data() + done, sizeof(id));
      if ((space[done + 4] & 0x8) != 0 && !SendAll(socket, MakeAnswer(id))) return;
    }
    std::memmove(space.data(), space.data() + done, filled - done);
    filled -= done;
  }
}

// The least that a relay can do: one thread, level-triggered, whatever one recvmsg gave goes out with one
// sendmsg. (It may hand a descriptor on with the wrong message, so nobody should use it.)
void RunEpoll(int frontend, int backend) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  for (const int socket : {frontend, backend}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = socket;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) != 0) Die("epoll_ctl");
  }
  std::array<uint8_t, 4096> space;
  while (true) {
    std::array<epoll_event, 2> events{};
    const int ready = ::epoll_wait(epoll, events.data(), events.size(), -1);
    for (int i = 0; i < ready; ++i) {
      const int from = events[i].data.fd;
      const Received got = ReceiveSome(from, space);
      if (got.bytes <= 0) return;
      const bool is_sent = SendAll(from == frontend ? backend : frontend,
                                   std::span(space).first(static_cast<size_t>(got.bytes)),
                                   std::span(got.fds).first(got.fd_count));
      CloseAll(got);
      if (!is_sent) return;
    }
  }
}

peers::Message Receive(peers::Channel& channel) {
  while (channel.is_open()) {
    if (auto message = channel.TryReceive()) return std::move(*message);
    pollfd wait{channel.fd(), POLLIN, 0};
    if (::poll(&wait, 1, 10000) != 1) break;
  }
  Die("handshake through the relay");
}

// A request to the other end of the relay, and its answer back.
void Exchange(peers::Channel& vmm, peers::Channel& device, uint32_t request, const peers::Bytes& answer) {
  vmm.Send(peers::EncodeMessage(request, peers::kVersion, {}));
  Receive(device);
  device.Send(peers::EncodeMessage(request, peers::kReplyFlags, answer));
  Receive(vmm);
}

// Both ends of the main channel, up to a started device. Returns the device's end of the back-end channel;
// `handover` is the VMM's.
Fd ShakeHands(peers::Channel& vmm, peers::Channel& device, int handover) {
  using peers::U64Payload;
  Exchange(vmm, device, peers::kGetFeatures,
           U64Payload(peers::FeatureMask(peers::kFeatureProtocolFeatures) |
                      peers::FeatureMask(peers::kFeatureVersion1)));
  Exchange(vmm, device, peers::kGetProtocolFeatures, U64Payload(kProtocolFeatures));
  vmm.Send(peers::EncodeMessage(peers::kSetProtocolFeatures, peers::kVersion, U64Payload(kProtocolFeatures)));
  Receive(device);
  vmm.Send(peers::EncodeMessage(peers::kSetBackendReqFd, peers::kVersion, {}), {handover});
  peers::Message handed_over = Receive(device);
  peers::Bytes config(2056);
  config[0] = 1;
  std::memcpy(config.data() + 8, &kRegionBytes, sizeof(kRegionBytes));
  Exchange(vmm, device, peers::kGetShmemConfig, config);
  peers::Bytes enable(8);
  enable[4] = 1;
  vmm.Send(peers::EncodeMessage(peers::kSetVringEnable, peers::kVersion, enable));
  Receive(device);
  if (handed_over.fds.size() != 1) Die("SET_BACKEND_REQ_FD lost its descriptor");
  return std::move(handed_over.fds.front());
}

class Starter {
 public:
  explicit Starter(bool is_pinned) : is_pinned_(is_pinned) {}

  std::vector<Fd> TakeKept() { return std::move(kept_); }

  // The VMM's end of a new back-end channel, with a process behind it that answers.
  Fd StartAnswering() {
    auto [vmm, handover] = Pair();
    const int socket = vmm.get();
    Spawn({socket}, [this, socket] {
      Pin(is_pinned_);
      AnswerRequests(socket);
    });
    return std::move(handover);
  }

  Fd Relayed(void (*relay)(int, int)) {
    const Fd frontend = StartAnswering();
    auto [device, backend] = Pair();
    const std::pair<int, int> ends{frontend.get(), backend.get()};
    Spawn({ends.first, ends.second}, [this, relay, ends] {
      Pin(is_pinned_);
      relay(ends.first, ends.second);
    });
    return std::move(device);
  }

  Fd Tracked() {
    const Fd handover = StartAnswering();
    auto [vmm_main, frontend] = Pair();
    auto [device_main, backend] = Pair();
    const std::pair<int, int> ends{frontend.get(), backend.get()};
    Spawn({ends.first, ends.second}, [this, ends] {
      Pin(is_pinned_);
      RunTracker(ends.first, ends.second);
    });
    return Handed(std::move(vmm_main), std::move(device_main), handover.get());
  }

  Fd Whole() {
    const Fd handover = StartAnswering();
    const std::string frontend_path = directory_.path() + "/frontend.sock";
    const std::string backend_path = directory_.path() + "/backend.sock";
    const auto listener = peers::ListenSocket::Open(backend_path);
    if (!listener.ok()) Die(backend_path.c_str());
    Spawn({}, [&] {
      Pin(is_pinned_);
      RunShmemd(frontend_path, backend_path);
    });
    Fd vmm_main = Connect(frontend_path);
    Fd device_main(::accept4(listener->fd(), nullptr, nullptr, SOCK_CLOEXEC));
    return Handed(std::move(vmm_main), std::move(device_main), handover.get());
  }

 private:
  Fd Handed(Fd vmm_main, Fd device_main, int handover) {
    peers::Channel vmm(Fd(::dup(vmm_main.get())));
    peers::Channel device(Fd(::dup(device_main.get())));
    kept_.push_back(std::move(vmm_main));
    kept_.push_back(std::move(device_main));
    return ShakeHands(vmm, device, handover);
  }

  // The relay needs a moment to listen.
  static Fd Connect(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    for (int i = 0; i < 1000; ++i) {
      Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
        return socket;
      }
      ::poll(nullptr, 0, 10);
    }
    Die(path.c_str());
  }

  const bool is_pinned_;
  const peers::TemporaryDirectory directory_;
  std::vector<Fd> kept_;
};

}  // namespace

Variants StartVariants(bool is_pinned) {
  ::signal(SIGCHLD, SIG_IGN);
  Starter starter(is_pinned);
  Variants variants;
  const auto add = [&](const char* name, const char* what, Fd device) {
    variants.all.push_back({name, what, std::move(device)});
  };
  add("direct", "one socket pair, no relay", starter.StartAnswering());
  add("epoll", "the least that a relay can do", starter.Relayed(RunEpoll));
  add("pump", "the relay's pump, nobody reading along", starter.Relayed(RunPump));
  add("tracker", "a relay session with its tracker and table", starter.Tracked());
  add("shmemd", "the relay loop with its feed and hub", starter.Whole());
  variants.kept = starter.TakeKept();
  Pin(is_pinned);
  return variants;
}

}  // namespace shmemd::bench
