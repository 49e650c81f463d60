// A demo VMM on a thread of the test. Runs its script, then the steps that the test gives it, until it is
// stopped.
//
//   FrontendThread vmm(DefaultVmmScript(), relay_socket_path);
//   EXPECT_TRUE(vmm.transcript().WaitFor("device started"));
//   EXPECT_TRUE(vmm.Do(VmmStep::Of(VmmStep::Kind::kReset)));
//   EXPECT_TRUE(vmm.mappings().empty());
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/peers/demo_vmm.h"
#include "tests/peers/fd.h"
#include "tests/peers/transcript.h"
#include "tests/peers/vmm_script.h"
#include "tests/peers/vmm_window.h"

namespace shmemd::peers {

class FrontendThread {
 public:
  enum class Role { kConnect, kListen };

  // Connects to `socket_path` (it may appear within 5 s), or listens there: then it ends the test program
  // when it cannot. The script's last step, if that is to serve, is left out: it serves anyway.
  FrontendThread(VmmScript script, std::string socket_path, Role role = Role::kConnect);
  ~FrontendThread();
  FrontendThread(const FrontendThread&) = delete;
  FrontendThread& operator=(const FrontendThread&) = delete;

  const Transcript& transcript() const { return transcript_; }
  // What is mapped, by shmid and shm_offset.
  std::vector<VmmMapping> mappings() const { return window_.mappings(); }

  // Runs one step, while the script waits or when it is done. False when it failed or took longer.
  bool Do(VmmStep step, std::chrono::milliseconds timeout = std::chrono::seconds(10));
  bool Do(VmmStep::Kind kind) { return Do(VmmStep::Of(kind)); }

  // Closes the connection and ends; also done by the destructor.
  void Stop();

 private:
  void Run();

  const VmmScript script_;
  const std::string socket_path_;
  std::unique_ptr<ListenSocket> listener_;
  const Fd stop_;
  VmmStepQueue posted_;
  VmmWindow window_;
  Transcript transcript_;
  std::thread thread_;
};

}  // namespace shmemd::peers
