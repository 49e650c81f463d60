#include "tests/bench/relayed_devices.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/bench/relay_wire.h"

namespace shmemd::bench {
namespace {

using Clock = std::chrono::steady_clock;

void Pin(pid_t thread, bool first) {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  if (cores < 2) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (long core = 0; core < cores; ++core) {
    if ((core == 0) == first) CPU_SET(static_cast<size_t>(core), &set);
  }
  if (sched_setaffinity(thread, sizeof(set), &set) != 0) Die("sched_setaffinity");
}

pid_t ThreadNamed(pid_t process, const std::string& name) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
    std::string comm;
    std::getline(std::ifstream(task.path() / "comm"), comm);
    if (comm == name) return std::stoi(task.path().filename().string());
  }
  Die("shmemd has no relay thread");
}

}  // namespace

void PinToTheFirstCore(pid_t thread) { Pin(thread, true); }
void PinToTheOtherCores(pid_t thread) { Pin(thread, false); }

RelayedDevices::RelayedDevices(size_t count) : file_(memfd_create("device", MFD_CLOEXEC)) {
  if (ftruncate(file_.get(), 1 << 20) != 0) Die("ftruncate");
  std::vector<std::string> relays = {"--log-level", "error"};
  for (size_t i = 0; i < count; ++i) {
    const std::string base = directory_.path() + "/" + std::to_string(i);
    sessions_.push_back({std::make_unique<peers::RawBackend>(base + "b"), nullptr});
    relays.insert(relays.end(), {"--relay", "b" + std::to_string(i) + "=" + base + "f," + base + "b"});
  }
  relays[1] = "info";  // says where it serves
  PinToTheOtherCores(0);
  shmemd_ = std::make_unique<app::ShmemdProcess>(directory_.path() + "/run", relays);
  PinToTheFirstCore(ThreadNamed(shmemd_->process().pid(), "relay"));
  for (size_t i = 0; i < count; ++i) {
    Session& session = sessions_[i];
    session.frontend =
        std::make_unique<peers::RawFrontend>(directory_.path() + "/" + std::to_string(i) + "f");
    if (!session.backend->Accept()) Die("accept");
    peers::ShakeHands(*session.frontend, *session.backend);
    // SET_VRING_ENABLE: a device that is not started must not map.
    peers::Pass(session.frontend->main(), session.backend->main(),
                "12000000 01000000 08000000 00000000 01000000");
  }
}

double RelayedDevices::ResidentMiB() {
  std::ifstream statm("/proc/" + std::to_string(shmemd_->process().pid()) + "/statm");
  double all = 0;
  double resident = 0;
  statm >> all >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

double RelayedDevices::RoundTripMicros(size_t i, uint32_t id, uint64_t shm_offset) {
  const int device = sessions_[i].backend->backend().fd();
  const int vmm = sessions_[i].frontend->backend().fd();
  const Request request = MakeRequest(id, /*need_reply=*/true, shm_offset);
  const Answer answer = MakeAnswer(id);
  const std::array<int, 1> file = {file_.get()};
  const auto begin = Clock::now();
  if (!SendAll(device, request, std::span<const int>(file.data(), id == kMapId ? 1 : 0)))
    Die("send a request");
  std::array<uint8_t, kRequestBytes> space;
  const Received received = ReceiveSome(vmm, space);
  if (received.bytes != static_cast<ssize_t>(kRequestBytes)) Die("receive a request");
  CloseAll(received);
  if (!SendAll(vmm, answer)) Die("send an answer");
  ReceiveAnswers(device, 1);
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

// Each device maps eight pages one after the other, then unmaps them.
size_t RelayedDevices::Churn(size_t devices, int per_second, const std::atomic<bool>& stop) {
  constexpr size_t kPages = 8;
  const auto begin = Clock::now();
  const size_t before = churned_;
  while (!stop) {
    const size_t round = churned_ / devices;
    const size_t step = round % (2 * kPages);
    RoundTripMicros(churned_ % devices, step < kPages ? kMapId : kUnmapId, step % kPages * kMappingBytes);
    ++churned_;
    std::this_thread::sleep_until(begin +
                                  std::chrono::microseconds(1'000'000 * (churned_ - before) / per_second));
  }
  return churned_ - before;
}

}  // namespace shmemd::bench
