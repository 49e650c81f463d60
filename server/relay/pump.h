// One direction of one channel: takes whole messages from a socket and hands each on with its descriptors, in
// one send. Peek, act, consume: while a message can be handed on as it lies in the source's queue it stays
// there until that is done, and the journal says how far.
//
// Owned by a channel, used on its thread. Bytes are never altered, joined, reordered or dropped but by the
// observer's verdict. Messages are cut by the header's size alone (specification, "Message Specification");
// what their ids and flags mean is nobody's business here. A message that is larger than the journal's buffer
// goes on in parts.
//
// Whose descriptors a peek returned is known only if it ended where the message ends; else the message is
// taken with a read that ends there, which the kernel gives exactly the descriptors of the bytes read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "server/base/unique_fd.h"
#include "server/net/fd_closer.h"
#include "server/net/message_io.h"
#include "server/relay/journal.h"
#include "server/session/session_tracker.h"
#include "server/state/status.h"

namespace shmemd::relay {

enum class PumpState : uint8_t {
  kWaiting,  // the source has no more; its next edge goes on
  kBlocked,  // the sink takes no more; its next edge goes on
  kRetry,    // the sink or our descriptor table takes no more, and no edge may tell: try again soon
  kMore,     // its share of this turn is used up
  kHeld,     // the observer wants something to pass the other way first
  kEnded,    // the source ended, and all of it was handed on
  kBroken,   // the sink is gone
};

class PumpObserver {
 public:
  virtual ~PumpObserver() = default;

  // Once for each message before it is handed on, again after kHold. `fds` are its descriptors; what is in
  // the vector afterwards goes with the message instead.
  virtual session::Verdict Judge(const session::PassingMessage& message,
                                 std::vector<base::UniqueFd>& fds) = 0;
  // The verdict was carried out; the message is still whole in memory.
  virtual void Passed(const session::PassingMessage& message, session::Verdict verdict,
                      const std::vector<base::UniqueFd>& fds) = 0;
};

class Pump {
 public:
  // The most descriptors under way to a peer that has not read them: a peer that never reads would else use
  // up what the kernel grants this user (ETOOMANYREFS).
  static constexpr size_t kMaxFdsInFlight = 64;
  static constexpr int kStepsPerTurn = 128;  // about 30 messages, or a megabyte of one that goes on in parts
  // Descriptors whose close hangs (a file of a silent FUSE daemon): with so many no more are taken.
  static constexpr size_t kMaxSlowCloses = 64;

  struct Route {
    vhost::Channel channel = vhost::Channel::kMain;
    session::Sender sender = session::Sender::kFrontend;
    int source = -1;  // borrowed, as is the sink
    int sink = -1;
  };

  // `observer`, `closer` and `tally` outlive the pump.
  Pump(const Route& route, PumpObserver& observer, net::FdCloser& closer, const net::FdCloser::Tally& tally);
  ~Pump();
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  // Moves what can be moved. Called whenever an edge was seen on the source or the sink, and after kRetry,
  // kMore and kHeld.
  PumpState Advance();

  // Puts a message of our own into the slot for the sink; it is sent at the next boundary. False: the slot is
  // taken, or the message is larger than it.
  bool SendOwn(std::span<const uint8_t> message);
  bool own_free() const { return journal_->own_bytes == 0; }
  // Between two messages of the source, with nothing half sent.
  bool at_boundary() const { return journal_->step == Journal::Step::kIdle && journal_->own_sent == 0; }

  // The message that passed last could not be understood.
  void NoteDecodeError() { ++traffic_.decode_errors; }

  const state::TrafficCounters& traffic() const { return traffic_; }
  const state::DurationHistogram& durations() const { return durations_; }
  bool ended() const { return state_ == PumpState::kEnded || state_ == PumpState::kBroken; }
  PumpState state() const { return state_; }
  // The source ended in the middle of a message.
  bool torn() const { return torn_; }
  // errno of what broke the source or the sink; 0: an orderly end.
  int error_number() const { return error_number_; }

 private:
  enum class Next : uint8_t { kGoOn, kStop };

  Next Step();
  Next SendOwnMessage();
  Next LookAtQueue();
  Next BeginTaking(uint32_t message_bytes);
  Next Take();
  Next JudgeMessage();
  Next SendMessage();
  Next Consume();
  Next TakePart();
  Next FinishMessage();
  void Finish();
  Next Stop(PumpState state);
  Next SourceFailed(const net::IoResult& result);
  Next SinkFailed(const net::IoResult& result);
  bool RoomForDescriptors();
  void CloseSurplusDescriptors();
  void CloseDescriptors();
  session::PassingMessage Message() const;
  std::span<uint8_t> MessageBytes();

  const Route route_;
  PumpObserver& observer_;
  net::FdCloser& closer_;
  const net::FdCloser::Tally& tally_;
  const std::unique_ptr<Journal> journal_;
  std::vector<base::UniqueFd> fds_;  // of the message at hand
  size_t fd_count_ = 0;              // that came with it
  size_t fds_in_flight_ = 0;         // at most: sent since the sink's queue was last seen empty
  int64_t seen_ns_ = 0;              // monotonic, when the message at hand was whole
  uint32_t take_bytes_ = 0;          // kTaking: how many; kHeaderBytes until the size is known
  vhost::Header parts_header_;
  bool torn_ = false;
  int error_number_ = 0;
  int64_t lost_since_ns_ = 0;  // monotonic, since when the kernel had no room for descriptors; 0: it has
  PumpState state_ = PumpState::kWaiting;
  state::TrafficCounters traffic_;
  state::DurationHistogram durations_;
};

}  // namespace shmemd::relay
