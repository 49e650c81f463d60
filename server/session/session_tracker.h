// What a relayed conversation means: pairs requests with their answers on both channels and turns what passes
// into events. No I/O: the relay shows it each message twice, before it is handed on (Judge) and after
// (Passed), and does what it says.
//
// Owned by a relay session, used on its thread. Whatever the peers send, it neither fails nor keeps more than
// fixed arrays: a conversation that it cannot follow is shown as unobserved (ObservationChanged) and goes on.
// Its state is one trivially copyable struct.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "server/base/fd_facts.h"
#include "server/session/device_rings.h"
#include "server/session/pending_requests.h"
#include "server/session/tracker_options.h"
#include "server/vhost/framer.h"
#include "server/vhost/protocol.h"

namespace shmemd::session {

enum class Sender : uint8_t { kFrontend, kBackend };

// One whole message on its way.
struct PassingMessage {
  vhost::Channel channel = vhost::Channel::kMain;
  Sender sender = Sender::kFrontend;
  vhost::Header header;
  std::span<const uint8_t> payload;  // empty, though header.size is not, if it is too large to be looked into
  size_t fd_count = 0;
  bool cut = false;    // its payload was not kept: larger than the relay buffers
  int64_t now_ns = 0;  // monotonic, when it was seen
};

// What the relay does with a message.
enum class Verdict : uint8_t {
  kForward,
  kSwapBackendFd,  // SET_BACKEND_REQ_FD with one descriptor: forward with an end of our own channel instead
  kSwallow,        // the answer to our own request: hand it to nobody
  kDrop,           // guard: hand it to nobody, no answer was asked for
  kRefuse,         // guard: hand it to nobody and send RefusalOf to its sender
  kHold,           // guard: leave it in its queue until the next message went the other way on this channel
};

class SessionTracker {
 public:
  // `sink` outlives the tracker.
  SessionTracker(state::EventSink& sink, const TrackerOptions& options);
  ~SessionTracker();
  SessionTracker(const SessionTracker&) = delete;
  SessionTracker& operator=(const SessionTracker&) = delete;

  // Before the message is handed on; changes nothing, so it may be asked again (after kHold it is).
  Verdict Judge(const PassingMessage& message) const;
  // After `verdict` was carried out; once for each message, never for kHold. `fds` are the facts of its
  // descriptors, at most the first eight. False: something of it could not be decoded (the relay counts).
  bool Passed(const PassingMessage& message, Verdict verdict, std::span<const base::FdFacts> fds);

  // A new back-end channel took the place of the one before, if any: nothing is pending on it. Its ends were
  // swapped in by kSwapBackendFd.
  void BackendChannelBegan();
  // The back-end channel ended: what was pending on it is never answered. Mappings stay (QEMU 11.1 keeps
  // them).
  void BackendChannelEnded();
  // SET_BACKEND_REQ_FD came with `fd_count` descriptors, or one that is no stream socket: forwarded as it
  // was.
  void BackendChannelOdd(size_t fd_count);

  // query: inject. True: GET_SHMEM_CONFIG may be sent to the back-end now, between two whole messages of the
  // front-end, and Asked is called once it has been (specification: protocol feature SHMEM acknowledged;
  // never inside a postcopy exchange). It becomes true after a message has passed or OnDeadline was called,
  // once a session, when the VMM has gone on without asking; see config_query.h.
  bool MayAsk() const;
  // Ask once more, though the configuration is known: MayAsk is true again as soon as the rules allow.
  // Without effect with query: snoop.
  void WantConfig();
  void Asked(int64_t now_ns);

  // Monotonic; INT64_MAX: nothing to wait for. OnDeadline is called when it has passed.
  int64_t NextDeadline() const;
  void OnDeadline(int64_t now_ns);

  // The connection ends, by the end that the peer made; publishes what follows from the order of ends and
  // nothing of the connection's state: the VMM's EOF first clears the mappings (its process or its device is
  // gone). After the back-end's, the VMM's own is no proof: QEMU closes the socket and keeps the mappings.
  void FrontendEnded();
  void BackendEnded();
  // Nothing passes any more. What was still answered after the first end has no owner either.
  void SessionEnded();

  // The answer that was seen last, for the session after this one.
  const std::optional<vhost::ShmemConfigReply>& config() const;
  // The message that was sent first and not answered, for those who explain an end; 0: none.
  uint32_t OldestPending(vhost::Channel channel) const;

 private:
  struct State;

  bool OnFrontendRequest(const PassingMessage& message, std::span<const base::FdFacts> fds);
  bool OnBackendReply(const PassingMessage& message);
  bool OnBackendRequest(const PassingMessage& message, Verdict verdict, std::span<const base::FdFacts> fds);
  bool OnFrontendAnswer(const PassingMessage& message);

  bool ReadRequest(const PassingMessage& message, std::span<const base::FdFacts> fds);
  bool ReadMemoryRequest(const PassingMessage& message, std::span<const base::FdFacts> fds);
  bool ReadRingRequest(const PassingMessage& message);
  bool ReadReply(const PassingMessage& message, const PendingRequest& request);
  void Remember(const PassingMessage& message);
  bool TakeOurAnswer(const PassingMessage& message);
  bool IsOurAnswer(const PassingMessage& message) const;
  bool IsPostcopyConfirmation(const PassingMessage& message) const;

  void NoteOddities(const PassingMessage& message);
  void DeviceChanged(DeviceRings::Change change);
  void DeviceWasReset();
  void NoteMapSeen();
  void CheckMappingCount();
  void Lose(const state::Observation& observation);
  void ShowObservation();
  void CheckQuestion(int64_t now_ns);
  void CheckDeadlockEnded();
  int64_t EchoDeadlockAt() const;

  TrackerOptions options_;
  EventWriter events_;
  std::unique_ptr<State> state_;
};

// The answer that a guard gives for `request`: the same id, version 1 and REPLY, a u64 of 1 as QEMU answers.
std::array<uint8_t, 20> RefusalOf(const vhost::Header& request);

}  // namespace shmemd::session
