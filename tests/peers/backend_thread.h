// A demo back-end on a thread of the test, at a socket of its own. Starts listening in the constructor, ends
// and unlinks its socket in the destructor.
//
//   BackendThread backend(DefaultScript());
//   ... connect a front-end to backend.socket_path() ...
//   EXPECT_TRUE(backend.transcript().WaitFor("map shmid 5 "));
//   EXPECT_EQ(backend.Do(Step::Map(0, 0x3000000, 0x1000)), StepAnswer(0));
#pragma once

#include <chrono>
#include <string>
#include <thread>

#include "tests/peers/demo_backend.h"
#include "tests/peers/fd.h"
#include "tests/peers/script.h"
#include "tests/peers/step_queue.h"
#include "tests/peers/temporary_directory.h"
#include "tests/peers/transcript.h"

namespace shmemd::peers {

class BackendThread {
 public:
  // Without a path it takes one in a new directory. Ends the test program when it cannot listen.
  explicit BackendThread(Script script, std::string socket_path = "");
  ~BackendThread();
  BackendThread(const BackendThread&) = delete;
  BackendThread& operator=(const BackendThread&) = delete;

  const std::string& socket_path() const { return socket_path_; }
  const Transcript& transcript() const { return transcript_; }

  // Runs one step on the connected front-end, while the script waits or when it is done, and returns the ack.
  // Nothing when none came, or nobody was connected within `timeout`.
  StepAnswer Do(Step step, std::chrono::milliseconds timeout = std::chrono::seconds(10));

  // Disconnects, closes and unlinks the socket; the transcript stays. Also done by the destructor.
  void Stop();

 private:
  void Serve(ListenSocket listener);

  const Script script_;
  const TemporaryDirectory directory_;
  const std::string socket_path_;
  const Fd stop_;
  StepQueue posted_;
  Transcript transcript_;
  std::thread thread_;
};

}  // namespace shmemd::peers
