// One connection of a front-end, from accept to its end: answers the main channel and runs the script's steps
// on the back-end channel, all on the caller's thread. While a step waits, the main channel goes on being
// answered.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>

#include "tests/peers/channel.h"
#include "tests/peers/fd.h"
#include "tests/peers/responder.h"
#include "tests/peers/script.h"
#include "tests/peers/step_queue.h"
#include "tests/peers/transcript.h"

namespace shmemd::peers {

class StepRunner;

class Session {
 public:
  // All but `main_socket` outlive the session. When `stop_fd` becomes readable, the session ends. Steps
  // posted to `posted` run after those of the script.
  Session(Fd main_socket, const Script* script, int stop_fd, StepQueue* posted, Transcript* transcript);

  // Returns when the front-end has gone, a step has closed the connection, or stop_fd is readable.
  void Run();

 private:
  using Clock = std::chrono::steady_clock;
  friend class StepRunner;

  // Waits until something has happened, and handles it; `with_posted` also until a step was posted.
  void Pump(std::optional<Clock::time_point> deadline, bool with_posted = false);
  void RunPosted(StepRunner& runner);
  bool IsOver() const { return is_stopped_ || !main_.is_open(); }
  bool IsReadyForSteps() const;
  bool HasDevice() const;
  // The device is not started: no request may be sent.
  bool IsPaused() const { return HasDevice() && !responder_.device().is_started(); }
  void ServeMain();
  void ReceiveAnswers();
  void Respond(const Response& response);
  void AdoptBackendChannel();

  const Script* script_;
  const int stop_fd_;
  StepQueue* posted_;
  Transcript* transcript_;
  Responder responder_;
  Channel main_;
  Channel backend_;
  std::deque<Message> answers_;  // on the back-end channel, that no step has taken yet
  bool is_stopped_ = false;
};

}  // namespace shmemd::peers
