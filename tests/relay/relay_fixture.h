// A relay loop with one entry between sockets of the test, and what readers are shown of it.
//
//   RelayTest: Start(); RawFrontend frontend(FrontendPath()); backend().Accept(); ShakeHands(frontend,
//   backend()); frontend.Send(...); EXPECT_EQ(backend().main().ReceiveMessage(), ...);
//   EXPECT_TRUE(Shows([](const state::Backend& shown) { return ...; }));
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/feed/hub.h"
#include "server/relay/relay_loop.h"
#include "tests/peers/raw_backend.h"
#include "tests/peers/raw_channel.h"
#include "tests/peers/raw_frontend.h"
#include "tests/peers/temporary_directory.h"

namespace shmemd::relay {

using peers::Fd;
using peers::FileIdOf;
using peers::Pass;
using peers::RawBackend;
using peers::RawChannel;
using peers::RawFrontend;
using state::BackendState;
using state::FindingCode;
using state::StateReason;

inline constexpr char kMapRequest[] =
    "09000000 09000000 28000000 00000000 00000000 00000000 00000000 00000000 00000000 00100000 00000000 "
    "01000000 00000000";
inline constexpr char kMapDone[] = "09000000 05000000 08000000 00000000 00000000";
inline constexpr char kMapRefused[] = "09000000 05000000 08000000 01000000 00000000";
inline constexpr char kMapUnasked[] =
    "09000000 01000000 28000000 00000000 00000000 00000000 00000000 00000000 00000000 00100000 00000000 "
    "01000000 00000000";
inline constexpr char kAskConfig[] = "2c000000 01000000 00000000";
inline constexpr char kGetFeatures[] = "01000000 01000000 00000000";
inline constexpr char kFeatures[] = "01000000 05000000 08000000 00000040 01000000";
inline constexpr char kEnableRing[] = "12000000 09000000 08000000 00000000 01000000";
inline constexpr char kRingEnabled[] = "12000000 05000000 08000000 00000000 00000000";

// The answer to GET_SHMEM_CONFIG: one region, shmid 0, 16 MiB.
inline std::string ConfigAnswer() {
  std::string bytes = peers::FromHex("2c000000 05000000 08080000 01000000 00000000 00000001 00000000");
  bytes.resize(2068, '\0');
  return peers::ToHex(bytes);
}

// A message with descriptors arrives with one read, whole, with the same files.
inline void PassWithFiles(const RawChannel& from, const RawChannel& to, std::string_view hex,
                          const std::vector<int>& files) {
  from.Send(hex, files);
  const size_t bytes = peers::FromHex(hex).size();
  std::vector<Fd> fds;
  EXPECT_EQ(to.Receive(bytes, &fds), hex);
  ASSERT_EQ(fds.size(), files.size()) << hex;
  for (size_t i = 0; i < fds.size(); ++i) EXPECT_EQ(FileIdOf(fds[i].get()), FileIdOf(files[i])) << hex;
}

class RelayTest : public testing::Test {
 protected:
  RelayTest() {
    spec_.id = "dev";
    spec_.mode = state::Mode::kRelay;
    spec_.frontend_socket = directory_.path() + "/vmm.sock";
    spec_.backend_socket = directory_.path() + "/backend.sock";
    config_.reconnect_min_ns = 2'000'000;
    config_.reconnect_max_ns = 20'000'000;
    hub_.AddSource(queue_, control_);
    hub_.Start();
    fds_before_ = peers::OpenFdCount();
  }
  ~RelayTest() override {
    StopRelay();
    backend_.reset();
    EXPECT_EQ(peers::OpenFdCount(), fds_before_);
    hub_.Stop();
  }

  const std::string& FrontendPath() const { return spec_.frontend_socket; }
  const std::string& BackendPath() const { return spec_.backend_socket; }

  absl::Status TryStart() {
    auto loop = RelayLoop::Create(queue_, control_, config_, 1);
    if (!loop.ok()) return loop.status();
    loop_ = *std::move(loop);
    absl::Status attached = loop_->Attach(spec_);
    return attached.ok() ? loop_->Start() : attached;
  }
  void StartRelay() {
    const absl::Status started = TryStart();
    ASSERT_TRUE(started.ok()) << started;
  }
  void StopRelay() {
    if (loop_) loop_->Stop();
    loop_.reset();
  }
  // The back-end listens, the relay runs.
  void Start() {
    backend_.emplace(BackendPath());
    StartRelay();
  }
  // A front-end has connected and shaken hands through the relay.
  RawFrontend Connect() {
    RawFrontend frontend(FrontendPath());
    EXPECT_TRUE(backend().Accept());
    return frontend;
  }
  RawFrontend ConnectAndShakeHands() {
    RawFrontend frontend = Connect();
    peers::ShakeHands(frontend, backend());
    return frontend;
  }
  // The configuration is known and the device started.
  RawFrontend ConnectAndStartDevice() {
    RawFrontend frontend = ConnectAndShakeHands();
    Pass(frontend.main(), backend().main(), kAskConfig);
    Pass(backend().main(), frontend.main(), ConfigAnswer());
    StartDevice(frontend);
    return frontend;
  }
  void StartDevice(RawFrontend& frontend) {
    const Fd kick = NewFile();
    frontend.Send("0c000000 01000000 08000000 00000000 00000000", {kick.get()});
    std::vector<Fd> fds;
    EXPECT_EQ(backend().main().ReceiveMessage(&fds), "0c000000 01000000 08000000 00000000 00000000");
    Pass(frontend.main(), backend().main(), kEnableRing);
    Pass(backend().main(), frontend.main(), kRingEnabled);
  }
  // MAP of `file` at 0, answered as done.
  void MapFile(RawFrontend& frontend, const Fd& file) {
    backend().backend().Send(kMapRequest, {file.get()});
    std::vector<Fd> fds;
    EXPECT_EQ(frontend.backend().ReceiveMessage(&fds), kMapRequest);
    ASSERT_EQ(fds.size(), 1U);
    EXPECT_EQ(FileIdOf(fds[0].get()), FileIdOf(file.get()));
    Pass(frontend.backend(), backend().backend(), kMapDone);
  }

  static Fd NewFile() {
    Fd file(memfd_create("relay-component", MFD_CLOEXEC));
    EXPECT_EQ(ftruncate(file.get(), 1 << 20), 0);
    return file;
  }

  // Whether readers are shown a table for which `holds` becomes true within 10 s.
  bool Shows(const std::function<bool(const state::Backend&)>& holds) {
    const int64_t deadline_ns = base::MonotonicNanos() + 10'000'000'000;
    while (true) {
      bool held = false;
      uint64_t revision = 0;
      hub_.Read([&](const feed::ReplicaView& view) {
        const state::Backend* shown = view.Find(spec_.id);
        held = shown != nullptr && holds(*shown);
        revision = view.revision;
      });
      if (held) return true;
      if (base::MonotonicNanos() > deadline_ns) return false;
      hub_.WaitForChange(revision, base::MonotonicNanos() + 100'000'000);
    }
  }
  bool ShowsState(BackendState state, StateReason reason = StateReason::kNone) {
    return Shows([&](const state::Backend& shown) {
      return shown.status().state == state && shown.status().cause.reason == reason;
    });
  }
  bool ShowsFinding(FindingCode code) {
    return Shows([&](const state::Backend& shown) { return Has(shown, code); });
  }
  static bool Has(const state::Backend& shown, FindingCode code) {
    for (const auto& [key, finding] : shown.findings()) {
      if (finding.code == code) return true;
    }
    return false;
  }
  bool ShowsMappings(size_t count, state::MappingState state) {
    return Shows([&](const state::Backend& shown) { return CountMappings(shown, state) == count; });
  }
  static size_t CountMappings(const state::Backend& shown, state::MappingState state) {
    size_t count = 0;
    for (const auto& [shmid, region] : shown.regions()) {
      region.table.ForEach(0, [&](const state::Mapping& mapping) {
        count += mapping.state == state ? 1 : 0;
        return true;
      });
    }
    return count;
  }

  RawBackend& backend() { return *backend_; }

  const peers::TemporaryDirectory directory_;
  state::BackendSpec spec_;
  RelayConfig config_;
  feed::UpdateQueue queue_{1024};
  feed::Control control_;
  feed::Hub hub_{4096};
  std::optional<RawBackend> backend_;
  std::unique_ptr<RelayLoop> loop_;
  size_t fds_before_ = 0;
};

}  // namespace shmemd::relay
