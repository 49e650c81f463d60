#include "tests/peers/demo_vmm.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace shmemd::peers {
namespace {

using Clock = VmmSession::Clock;
constexpr std::chrono::milliseconds kRetryPause{20};
constexpr std::chrono::seconds kMappingsTimeout{10};

Fd ConnectTo(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return Fd();
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return Fd();
  return socket;
}

// True when `fd` (-1: nothing to wait for) is readable, false when the time is over or stop_fd is.
bool AwaitReadable(int fd, int stop_fd, std::chrono::milliseconds timeout) {
  std::array<pollfd, 2> waits = {{{stop_fd, POLLIN, 0}, {fd, POLLIN, 0}}};
  ::poll(waits.data(), waits.size(), static_cast<int>(timeout.count()));
  return waits[0].revents == 0 && waits[1].revents != 0;
}

}  // namespace

DemoVmm::DemoVmm(const VmmScript* script, VmmEndpoint endpoint, int stop_fd, VmmStepQueue* posted,
                 VmmWindow* window, Transcript* transcript)
    : script_(script),
      endpoint_(std::move(endpoint)),
      stop_fd_(stop_fd),
      posted_(posted),
      window_(window),
      transcript_(transcript),
      session_(std::make_unique<VmmSession>(Fd(), script, stop_fd, window, transcript)) {}

Fd DemoVmm::AcceptConnection() const {
  if (!AwaitReadable(endpoint_.listener->fd(), stop_fd_, endpoint_.timeout)) return Fd();
  return Fd(::accept4(endpoint_.listener->fd(), nullptr, nullptr, SOCK_CLOEXEC));
}

Fd DemoVmm::OpenConnection() {
  if (endpoint_.listener != nullptr) return AcceptConnection();
  const auto deadline = Clock::now() + endpoint_.timeout;
  while (true) {
    Fd socket = ConnectTo(endpoint_.path);
    if (socket || Clock::now() > deadline) return socket;
    AwaitReadable(-1, stop_fd_, kRetryPause);
    pollfd stop{stop_fd_, POLLIN, 0};
    if (::poll(&stop, 1, 0) == 1) return socket;
  }
}

bool DemoVmm::Connect() {
  session_->Close("closed by the script");
  NoteEnd();
  Fd socket = OpenConnection();
  if (!socket) {
    transcript_->AddUnexpected("nobody to connect to at " + endpoint_.path);
    return false;
  }
  transcript_->Add("connected to " + endpoint_.path);
  session_ = std::make_unique<VmmSession>(std::move(socket), script_, stop_fd_, window_, transcript_);
  is_connected_ = true;
  if (!session_->Handshake()) return false;
  transcript_->Add("handshake done");
  return true;
}

void DemoVmm::NoteEnd() {
  if (!is_connected_ || session_->IsConnected()) return;
  is_connected_ = false;
  transcript_->Add("disconnected: " + session_->close_reason());
}

void DemoVmm::Turn(std::optional<Clock::time_point> deadline) {
  session_->Pump(deadline, posted_->fd());
  is_stopped_ = session_->IsStopped();
  NoteEnd();
  RunPosted();
}

void DemoVmm::RunPosted() {
  while (!is_stopped_) {
    auto posted = posted_->Take();
    if (!posted) return;
    posted->answer.set_value(RunStep(posted->step));
  }
}

bool DemoVmm::Wait(std::chrono::milliseconds duration) {
  const auto end = Clock::now() + duration;
  while (CanGoOn() && Clock::now() < end) Turn(end);
  return CanGoOn();
}

bool DemoVmm::AwaitMappings(uint64_t count) {
  const auto deadline = Clock::now() + kMappingsTimeout;
  while (CanGoOn() && window_->mapping_count() != count && Clock::now() < deadline) Turn(deadline);
  if (window_->mapping_count() == count) return true;
  transcript_->AddUnexpected(std::to_string(window_->mapping_count()) + " mappings, expected " +
                             std::to_string(count));
  return false;
}

bool DemoVmm::Serve() {
  while (CanGoOn()) Turn(std::nullopt);
  return !is_stopped_;
}

bool DemoVmm::Repeat(const VmmStep& step) {
  for (uint64_t round = 0; !step.times || round < *step.times; ++round) {
    if (!RunAll(step.steps) && !CanGoOn()) return false;
    if (!CanGoOn()) return false;
    Turn(Clock::now());
  }
  return true;
}

bool DemoVmm::RunAll(const std::vector<VmmStep>& steps) {
  bool is_sound = true;
  for (const VmmStep& step : steps) {
    if (is_stopped_) return false;
    is_sound = RunStep(step) && is_sound;
    NoteEnd();
  }
  return is_sound;
}

bool DemoVmm::RunOnSession(const VmmStep& step) {
  using Kind = VmmStep::Kind;
  switch (step.kind) {
    case Kind::kStart:
      return session_->Start();
    case Kind::kStop:
      return session_->Stop();
    case Kind::kReset:
      return session_->Reset();
    case Kind::kResetDevice:
      return session_->ResetDevice();
    case Kind::kSetStatus:
      return session_->SetStatus(step.value);
    case Kind::kQuery:
      return session_->Query();
    case Kind::kNewChannel:
      return session_->OpenBackendChannel();
    case Kind::kRaw:
      transcript_->Add("raw " + std::to_string(step.raw.size()) + " bytes");
      return session_->SendRaw(step.raw);
    case Kind::kRawAnswer:
      transcript_->Add("raw answer of " + std::to_string(step.raw.size()) + " bytes");
      return session_->SendRawAnswer(step.raw);
    case Kind::kCloseChannel:
      session_->CloseBackendChannel();
      return true;
    case Kind::kHalfClose:
      session_->HalfClose();
      return true;
    case Kind::kStopReading:
      transcript_->Add("stop reading");
      session_->StopReading();
      return true;
    default:
      return false;
  }
}

bool DemoVmm::RunStep(const VmmStep& step) {
  using Kind = VmmStep::Kind;
  switch (step.kind) {
    case Kind::kWait:
      return Wait(step.wait);
    case Kind::kMappings:
      return AwaitMappings(step.value);
    case Kind::kServe:
      return Serve();
    case Kind::kRepeat:
      return Repeat(step);
    case Kind::kReconnect:
      return Connect();
    case Kind::kClose:
      transcript_->Add("close");
      session_->Close("closed by the script");
      return true;
    case Kind::kSecondFrontend:
      second_ = Channel(ConnectTo(endpoint_.path));
      transcript_->Add(second_.is_open() ? "second front-end" : "second front-end: refused");
      return second_.is_open() && second_.Send(EncodeMessage(kGetFeatures, kVersion, {}));
    default:
      break;
  }
  return session_->IsConnected() && RunOnSession(step);
}

bool DemoVmm::Run(bool stays) {
  Connect();
  if (!is_connected_) return false;
  RunAll(script_->steps);
  is_stopped_ = session_->IsStopped();
  if (!is_stopped_) transcript_->Add("script done");
  while (stays && !is_stopped_) Turn(std::nullopt);
  session_->Close(is_stopped_ ? "stopped" : "the script is done");
  NoteEnd();
  return true;
}

}  // namespace shmemd::peers
