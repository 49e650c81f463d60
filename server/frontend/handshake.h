// What a front-end says to a back-end from the first message to the answer to GET_SHMEM_CONFIG, as a script
// without I/O: ask Advance what to do, do it, tell it what came.
//
// Owned by one connection. The order is that of QEMU 11.1 and crosvm less the virtqueues: GET_FEATURES,
// GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_BACKEND_REQ_FD (rust-vmm freezes what was negotiated
// there), SET_OWNER (once: rust-vmm closes on a second), GET_SHMEM_CONFIG. Nothing is asked that was not
// offered; SHMEM counts at bit 22 only, and an older bit is named in the outcome, never tried.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/state/status.h"
#include "server/vhost/codec.h"
#include "server/vhost/framer.h"

namespace shmemd::frontend {

// The protocol features that we use when they are offered.
uint64_t WantedProtocolFeatures();

class Handshake {
 public:
  enum class Step : uint8_t {
    kSend,   // write `bytes`, then Advance
    kAwait,  // read one message, give it to OnReply, then Advance
    kDone,   // see outcome()
  };
  struct Action {
    Step step = Step::kDone;
    uint32_t message_id = 0;            // sent, or awaited
    std::vector<uint8_t> bytes;         // kSend: the whole message
    bool with_backend_channel = false;  // kSend: goes with one end of a new SOCK_STREAM socketpair
  };

  enum class Result : uint8_t {
    kPending,
    kReady,        // `config` was answered
    kUnsupported,  // the back-end does not speak SHMEM as it is standardised; nothing more is sent
    kFailed,       // the back-end broke the protocol, or refused
  };
  struct Outcome {
    Result result = Result::kPending;
    state::Cause cause;
    state::Features features;
    vhost::ShmemConfigReply config;
  };

  Action Advance();
  // Only after kAwait. `fd_count` descriptors came with the reply.
  void OnReply(const vhost::MessageView& reply, size_t fd_count);
  const Outcome& outcome() const { return outcome_; }

 private:
  enum class Phase : uint8_t {
    kGetFeatures,
    kGetProtocolFeatures,
    kSetProtocolFeatures,
    kSetBackendReqFd,
    kSetOwner,
    kGetShmemConfig,
  };
  Action Request(vhost::FrontendRequest request, bool await, Phase next);
  Action SetProtocolFeatures();
  Action SetBackendReqFd();
  void OnFeatures(uint64_t features);
  void OnProtocolFeatures(uint64_t features);
  void OnConfig(const vhost::MessageView& reply, size_t fd_count);
  void Fail(const state::Cause& cause);
  void Unsupported(state::StateReason reason);
  bool acked(vhost::ProtocolFeature feature) const;

  Phase phase_ = Phase::kGetFeatures;
  std::optional<vhost::FrontendRequest> awaited_;
  Outcome outcome_;
};

}  // namespace shmemd::frontend
