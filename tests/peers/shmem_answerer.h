// A front-end's side of the back-end channel: takes SHMEM_MAP and SHMEM_UNMAP, puts them into the window, and
// answers as its script says.
//
// Owned by a VMM's session, used on its thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/peers/channel.h"
#include "tests/peers/transcript.h"
#include "tests/peers/vmm_script.h"
#include "tests/peers/vmm_window.h"
#include "tests/peers/wire.h"

namespace shmemd::peers {

class ShmemAnswerer {
 public:
  // All outlive it.
  ShmemAnswerer(const VmmAnswers* answers, VmmWindow* window, Transcript* transcript)
      : answers_(answers), window_(window), transcript_(transcript) {}

  // Answers the message on `channel`, or closes it. True when the window changed.
  bool Handle(Message message, bool has_reply_ack, Channel& channel);

 private:
  struct Outcome {
    int error = 0;
    bool is_answered = true;
    bool is_window_changed = false;
  };
  Outcome Carry(Message& message);
  Bytes Encode(const Message& message, int error) const;
  void Answer(const Message& message, int error, Channel& channel);
  void SendOne(const Bytes& answer, Channel& channel);

  const VmmAnswers* answers_;
  VmmWindow* window_;
  Transcript* transcript_;
  std::vector<Bytes> held_;  // is_reversed
};

}  // namespace shmemd::peers
