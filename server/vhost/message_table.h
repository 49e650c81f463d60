// What every known message carries and how it is answered, as data: who forwards messages needs it to pair
// replies with requests and to expect fds where they belong.
//
// Constant, any thread. The facts of a row come from the specification's text of that message unless `source`
// names an implementation; the specification's own lists ("fds in ancillary data", "messages that require a
// reply") are incomplete and are not used.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "server/vhost/protocol.h"

namespace shmemd::vhost {

// How a request is answered. One request never gets two replies: spec, REPLY_ACK.
enum class ReplyKind : uint8_t {
  kAck,            // a u64 if the request carried NEED_REPLY, else nothing
  kOwn,            // a reply of its own; NEED_REPLY changes nothing
  kAlwaysAck,      // a u64 ack, with NEED_REPLY or without
  kOwnIfLogShmfd,  // kOwn once LOG_SHMFD is negotiated, else kAck
  kOwnIfPostcopy,  // kOwn after POSTCOPY_LISTEN, and then the front-end confirms with a message of the same
                   // id that gets no reply; else kAck
};

enum class PayloadKind : uint8_t {
  kNone,
  kU64,
  kVringState,
  kVringAddress,
  kMemoryTable,
  kSingleMemoryRegion,
  kLog,
  kIotlb,
  kDeviceConfig,
  kVringArea,
  kInflight,
  kSharedObject,
  kDeviceState,
  kCryptoSession,
  kShmemConfig,
  kMMap,
  kLegacyRegions,
  kLegacyMap,
  kLegacyUnmap,
  kUnspecified,  // deprecated drafts: nobody says
};

// Both ends included.
struct Range {
  uint32_t min = 0;
  uint32_t max = 0;

  constexpr bool contains(uint64_t value) const { return min <= value && value <= max; }
  bool operator==(const Range&) const = default;
};

struct Part {
  PayloadKind kind = PayloadKind::kNone;
  Range payload_bytes;  // what known peers send, not only what the spec says
  Range fds;

  bool operator==(const Part&) const = default;
};

struct MessageInfo {
  uint32_t id = 0;
  Channel channel =
      Channel::kMain;  // kMain: sent by the front-end, answered by the back-end; kBackend: the reverse
  ReplyKind reply_kind = ReplyKind::kAck;
  std::string_view name;
  Part request;
  Part reply;  // the reply of its own if it has one; an ack is a u64 without fds whatever stands here
  std::string_view source;
};

// All rows of one channel, by rising id.
std::span<const MessageInfo> Messages(Channel channel);

// nullptr for an id that nobody has defined: forward it, expect a reply only with NEED_REPLY.
const MessageInfo* FindMessage(Channel channel, uint32_t id);

// What decides, beside the request's flags, whether an answer will come.
struct ReplyContext {
  bool log_shmfd_negotiated = false;
  bool postcopy_listening = false;
};

// True if a peer that follows the spec answers this request. NEED_REPLY without REPLY_ACK negotiated is
// answered by QEMU and libvhost-user and not by rust-vmm: pass the flags with NEED_REPLY cleared for the
// latter.
bool ExpectsReply(const MessageInfo& message, uint32_t flags, const ReplyContext& context);

}  // namespace shmemd::vhost
