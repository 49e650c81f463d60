// A vhost-user front-end that follows a script: connects to a back-end, or lets one connect, and takes its
// steps. Used on one thread; the caller's stop_fd ends it from any other.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/peers/demo_backend.h"
#include "tests/peers/fd.h"
#include "tests/peers/step_queue.h"
#include "tests/peers/transcript.h"
#include "tests/peers/vmm_script.h"
#include "tests/peers/vmm_session.h"
#include "tests/peers/vmm_window.h"

namespace shmemd::peers {

// Whether a step was taken: false when the back-end was gone, refused, or something else did not come.
using VmmStepQueue = PostQueue<VmmStep, bool>;

struct VmmEndpoint {
  std::string path;
  const ListenSocket* listener = nullptr;   // null: connect to the path
  std::chrono::milliseconds timeout{5000};  // for a connection
};

class DemoVmm {
 public:
  // All outlive it. Steps posted to `posted` run while the script waits, or when it is done.
  DemoVmm(const VmmScript* script, VmmEndpoint endpoint, int stop_fd, VmmStepQueue* posted, VmmWindow* window,
          Transcript* transcript);

  // Connects and runs the script. With `stays`, posted steps run on until stop_fd is readable. False when
  // there was nobody to connect to.
  bool Run(bool stays);

 private:
  bool Connect();
  Fd OpenConnection();
  Fd AcceptConnection() const;
  bool RunAll(const std::vector<VmmStep>& steps);
  bool RunStep(const VmmStep& step);
  bool RunOnSession(const VmmStep& step);
  bool Repeat(const VmmStep& step);
  bool Wait(std::chrono::milliseconds duration);
  bool AwaitMappings(uint64_t count);
  bool Serve();
  void RunPosted();
  void Turn(std::optional<VmmSession::Clock::time_point> deadline);
  void NoteEnd();
  bool CanGoOn() const { return session_->IsConnected() && !is_stopped_; }

  const VmmScript* script_;
  const VmmEndpoint endpoint_;
  const int stop_fd_;
  VmmStepQueue* posted_;
  VmmWindow* window_;
  Transcript* transcript_;
  std::unique_ptr<VmmSession> session_;  // never null; not connected before the first and after the last one
  Channel second_;
  bool is_connected_ = false;
  bool is_stopped_ = false;
};

}  // namespace shmemd::peers
