// Runs steps on a session's back-end channel. Lives as long as the session, so that files shared by name and
// those behind live mappings are kept; used by the session's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/peers/fd.h"
#include "tests/peers/script.h"
#include "tests/peers/session.h"
#include "tests/peers/step_queue.h"

namespace shmemd::peers {

class StepRunner {
 public:
  explicit StepRunner(Session* session) : session_(session) {}

  // From the beginning, with no mapping. False when the back-end channel or the session ended, or the
  // mappings went, before all steps were done.
  bool RunScript(const std::vector<Step>& steps);
  // The device was reset since RunScript began.
  bool HasLostMappings() const;

  // Waits for the answer, and first for those of earlier steps that did not wait.
  StepAnswer Run(const Step& step);

  // Reports answers that belong to no request.
  void DropStrayAnswers();

 private:
  struct Pending {
    Step::Kind kind;
    ShmemRequest request;
    Fd file;
  };

  bool RunAll(const std::vector<Step>& steps);
  bool IsConnected() const;
  bool CanGoOn() const { return IsConnected() && !HasLostMappings(); }
  void AwaitDevice();
  StepAnswer Exchange(Step::Kind kind, const ShmemRequest& request);
  StepAnswer SettleOldest();
  StepAnswer SettleAll();
  StepAnswer AwaitAck(uint32_t request_id);
  void Report(const std::string& line, const ShmemRequest& request, StepAnswer answer);
  void Remember(Step::Kind kind, const ShmemRequest& request, Fd file);
  void Repeat(const Step& step);
  void Wait(std::chrono::milliseconds duration);
  void Truncate(const ShmemRequest& request);
  Fd OpenFile(const ShmemRequest& request);
  Fd OpenNamedFile(const ShmemRequest& request, BackingKind kind, uint64_t size_bytes);

  Session* session_;
  std::deque<Pending> pending_;
  std::map<std::string, Fd> named_files_;
  std::map<std::pair<uint8_t, uint64_t>, Fd> mapped_files_;  // by shmid and shm_offset
  uint64_t resets_ = 0;                                      // of the device, when the script began
};

}  // namespace shmemd::peers
