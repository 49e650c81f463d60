#include "tests/peers/session.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "tests/peers/step_runner.h"

namespace shmemd::peers {
namespace {
// Answers that nobody takes stay in the socket beyond this.
constexpr size_t kMaxAnswers = 256;
}  // namespace

Session::Session(Fd main_socket, const Script* script, int stop_fd, StepQueue* posted, Transcript* transcript)
    : script_(script),
      stop_fd_(stop_fd),
      posted_(posted),
      transcript_(transcript),
      responder_(script, transcript),
      main_(std::move(main_socket)) {}

bool Session::IsReadyForSteps() const {
  if (!backend_.is_open()) return false;
  if (HasDevice()) return !IsPaused();
  return script_->start == Script::Start::kChannel || responder_.has_answered_config();
}

bool Session::HasDevice() const {
  using Start = Script::Start;
  return script_->start == Start::kVringEnable ||
         (script_->start == Start::kAuto && responder_.device().has_driver());
}

void Session::Run() {
  transcript_->Add("front-end connected");
  StepRunner runner(this);
  bool is_script_done = false;
  while (!IsOver()) {
    if (!IsReadyForSteps()) {
      Pump(std::nullopt);
    } else if (!is_script_done || runner.HasLostMappings()) {
      is_script_done = true;
      if (runner.RunScript(script_->steps)) transcript_->Add("script done");
    } else {
      RunPosted(runner);
      runner.DropStrayAnswers();
      Pump(std::nullopt, /*with_posted=*/true);
    }
  }
  transcript_->Add("front-end disconnected: " + (is_stopped_ ? "stopped" : main_.close_reason()));
}

void Session::Pump(std::optional<Clock::time_point> deadline, bool with_posted) {
  int timeout_ms = -1;
  if (deadline) {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now());
    timeout_ms = static_cast<int>(std::clamp<int64_t>(rest.count(), 0, 60000));
  }
  std::array<pollfd, 4> waits = {{{stop_fd_, POLLIN, 0},
                                  {main_.fd(), POLLIN, 0},
                                  {answers_.size() < kMaxAnswers ? backend_.fd() : -1, POLLIN, 0},
                                  {with_posted ? posted_->fd() : -1, POLLIN, 0}}};
  ::poll(waits.data(), waits.size(), timeout_ms);
  if (waits[0].revents != 0) is_stopped_ = true;
  if (is_stopped_) return;
  if (waits[1].revents != 0) ServeMain();
  if (waits[2].revents != 0 && backend_.is_open()) ReceiveAnswers();
}

void Session::RunPosted(StepRunner& runner) {
  while (!IsOver() && IsReadyForSteps()) {
    auto posted = posted_->Take();
    if (!posted) return;
    posted->answer.set_value(runner.Run(posted->step));
  }
}

void Session::ReceiveAnswers() {
  while (answers_.size() < kMaxAnswers) {
    auto answer = backend_.TryReceive();
    if (!answer) break;
    answers_.push_back(std::move(*answer));
  }
  if (!backend_.is_open()) transcript_->Add("back-end channel closed: " + backend_.close_reason());
}

void Session::ServeMain() {
  if (auto message = main_.TryReceive()) {
    const Response response = responder_.Answer(std::move(*message));
    AdoptBackendChannel();
    Respond(response);
  }
}

void Session::AdoptBackendChannel() {
  Fd socket = responder_.TakeBackendChannel();
  if (!socket) return;
  backend_ = Channel(std::move(socket));
  answers_.clear();
  transcript_->Add("back-end channel");
}

void Session::Respond(const Response& response) {
  if (response.delay.count() > 0) std::this_thread::sleep_for(response.delay);
  if (!response.bytes.empty()) {
    const Fd file = response.fd_count > 0 ? MakeBacking(BackingKind::kMemfd, 4096) : Fd();
    main_.Send(response.bytes, std::vector<int>(response.fd_count, file.get()), response.piece_bytes);
  }
  if (!response.close_reason.empty()) main_.Close(response.close_reason);
}

}  // namespace shmemd::peers
