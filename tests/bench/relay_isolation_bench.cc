// relay_isolation_bench: what one bad session costs the others of a relay. A hundred sessions in one relay
// loop; 99 of them answer a request each, again and again, while the last one is good, then bad, in turns.
// Printed: the round trip of the 99, and the median of the ratios bad to good of all rounds.
//
//   relay_isolation_bench [rounds]
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "server/feed/control.h"
#include "server/feed/hub.h"
#include "server/feed/update_queue.h"
#include "server/relay/relay_loop.h"
#include "tests/bench/relay_wire.h"
#include "tests/peers/raw_backend.h"
#include "tests/peers/raw_frontend.h"
#include "tests/peers/temporary_directory.h"

namespace shmemd::bench {
namespace {

using Clock = std::chrono::steady_clock;
using peers::RawBackend;
using peers::RawFrontend;

constexpr size_t kSessions = 100;
constexpr int kTripsPerPhase = 30;  // of each good session
constexpr int kDefaultRounds = 30;
constexpr auto kGarbagePause = std::chrono::microseconds(500);

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

struct Session {
  std::unique_ptr<RawBackend> backend;
  std::unique_ptr<RawFrontend> frontend;
};

class Relay {
 public:
  Relay() {
    hub_.AddSource(queue_, control_);
    loop_ = relay::RelayLoop::Create(queue_, control_, {}, /*source=*/1).value();
    for (size_t i = 0; i < kSessions; ++i) {
      const std::string base = directory_.path() + "/" + std::to_string(i);
      state::BackendSpec spec{
          .id = "dev" + std::to_string(i), .backend_socket = base + "b", .mode = state::Mode::kRelay};
      spec.frontend_socket = base + "f";
      sessions_.push_back({std::make_unique<RawBackend>(spec.backend_socket), nullptr});
      if (!loop_->Attach(spec).ok()) Die("attach");
    }
    hub_.Start();
    if (!loop_->Start().ok()) Die("start");
    for (size_t i = 0; i < kSessions; ++i) {
      Session& session = sessions_[i];
      session.frontend = std::make_unique<RawFrontend>(directory_.path() + "/" + std::to_string(i) + "f");
      if (!session.backend->Accept()) Die("accept");
      peers::ShakeHands(*session.frontend, *session.backend);
    }
  }
  ~Relay() {
    loop_->Stop();
    hub_.Stop();
  }

  Session& session(size_t i) { return sessions_[i]; }

 private:
  const peers::TemporaryDirectory directory_;
  feed::UpdateQueue queue_{4096};
  feed::Control control_;
  feed::Hub hub_{4096};
  std::unique_ptr<relay::RelayLoop> loop_;
  std::vector<Session> sessions_;
};

// A map with its descriptor to the front-end, and its answer back: the median over all good sessions.
double RoundTripMicros(Relay& relay, int file) {
  std::vector<double> micros;
  const Request request = MakeRequest(kMapId, /*need_reply=*/true, 0);
  const Answer answer = MakeAnswer(kMapId);
  for (int trip = 0; trip < kTripsPerPhase; ++trip) {
    for (size_t i = 0; i + 1 < kSessions; ++i) {
      const int device = relay.session(i).backend->backend().fd();
      const int vmm = relay.session(i).frontend->backend().fd();
      const auto begin = Clock::now();
      if (!SendAll(device, request, std::array<int, 1>{file})) Die("send a map");
      std::array<uint8_t, kRequestBytes> space;
      const Received received = ReceiveSome(vmm, space);
      if (received.bytes != static_cast<ssize_t>(kRequestBytes) || received.fd_count != 1)
        Die("receive a map");
      CloseAll(received);
      if (!SendAll(vmm, answer)) Die("send an answer");
      ReceiveAnswers(device, 1);
      micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    }
  }
  return Median(micros);
}

// What the last session does while it is bad; a thread of its own until `stop`.
struct Misbehaviour {
  const char* name;
  const char* what;
  std::function<void(Session&, int file, const std::atomic<bool>& stop)> run;
};

void Drain(int socket) {
  std::array<uint8_t, 65536> ignored;
  while (recv(socket, ignored.data(), ignored.size(), MSG_DONTWAIT) > 0) {
  }
}

// Until all that `sender` has written is gone, so that the next good phase is good.
void DrainAll(int sender, int reader) {
  for (int queued = 1; queued > 0; std::this_thread::sleep_for(kGarbagePause)) {
    Drain(reader);
    if (ioctl(sender, SIOCOUTQ, &queued) != 0) Die("SIOCOUTQ");
  }
  Drain(reader);
}

void Fill(int socket, const Request& request, int file) {
  std::vector<uint8_t> bytes(request.begin(), request.end());
  const std::string text(bytes.begin(), bytes.end());
  peers::RawChannel borrowed{peers::Fd(dup(socket))};
  while (borrowed.SendSome(text, {file}) == text.size()) {
  }
}

void Wait(const std::atomic<bool>& stop) { stop.wait(false); }

std::vector<Misbehaviour> Misbehaviours() {
  return {
      {"stuck", "its front-end never reads, its back-end has filled all there is with maps and descriptors",
       [](Session& bad, int file, const std::atomic<bool>& stop) {
         Fill(bad.backend->backend().fd(), MakeRequest(kMapId, true, 0), file);
         Wait(stop);
         DrainAll(bad.backend->backend().fd(), bad.frontend->backend().fd());
       }},
      {"silent", "half a message, then nothing",
       [](Session& bad, int, const std::atomic<bool>& stop) {
         const Request request = MakeRequest(kMapId, true, 0);
         const std::string text(request.begin(), request.end());
         bad.backend->backend().SendBytes(text.substr(0, 30));
         Wait(stop);
         bad.backend->backend().SendBytes(text.substr(30));
         DrainAll(bad.backend->backend().fd(), bad.frontend->backend().fd());
       }},
      {"garbage", "two random messages of up to 4 KiB every millisecond, read by its front-end",
       [](Session& bad, int file, const std::atomic<bool>& stop) {
         std::minstd_rand random(1);
         while (!stop) {
           std::string bytes(12 + random() % 4084, '\0');
           for (char& byte : bytes) byte = static_cast<char>(random());
           const std::array<uint32_t, 3> header = {static_cast<uint32_t>(random() % 2000),
                                                   static_cast<uint32_t>(random()),
                                                   static_cast<uint32_t>(bytes.size() - 12)};
           bytes.replace(0, sizeof(header), reinterpret_cast<const char*>(header.data()), sizeof(header));
           bad.backend->backend().SendSome(bytes, {file});
           std::this_thread::sleep_for(kGarbagePause);
           Drain(bad.frontend->backend().fd());
         }
       }},
  };
}

void Measure(const Misbehaviour& kind, int rounds) {
  Relay relay;
  const peers::Fd file(memfd_create("isolation", MFD_CLOEXEC));
  std::vector<double> good;
  std::vector<double> bad;
  std::vector<double> ratios;
  RoundTripMicros(relay, file.get());  // warm
  for (int round = 0; round < rounds; ++round) {
    good.push_back(RoundTripMicros(relay, file.get()));
    std::atomic<bool> stop = false;
    std::thread misbehaves([&] { kind.run(relay.session(kSessions - 1), file.get(), stop); });
    bad.push_back(RoundTripMicros(relay, file.get()));
    stop = true;
    stop.notify_all();
    misbehaves.join();
    ratios.push_back(bad.back() / good.back());
  }
  std::printf("%-8s %8.1f us %8.1f us   ratio %.3f (%.3f to %.3f)   %s\n", kind.name, Median(good),
              Median(bad), Median(ratios), *std::min_element(ratios.begin(), ratios.end()),
              *std::max_element(ratios.begin(), ratios.end()), kind.what);
}

}  // namespace
}  // namespace shmemd::bench

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : shmemd::bench::kDefaultRounds;
  if (rounds < 1) {
    std::fprintf(stderr, "usage: relay_isolation_bench [rounds]\n");
    return 2;
  }
  std::printf(
      "median round trip of 99 sessions in one relay loop, while the hundredth is good and bad; %d rounds\n",
      rounds);
  for (const auto& kind : shmemd::bench::Misbehaviours()) shmemd::bench::Measure(kind, rounds);
  return 0;
}
