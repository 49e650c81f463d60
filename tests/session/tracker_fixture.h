// A conversation for the tests of the tracker, written like a transcript: who says what on which channel; and
// what has been made of it.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <variant>
#include <vector>

#include "server/session/session_tracker.h"
#include "server/vhost/codec.h"
#include "tests/state/state_fixture.h"

namespace shmemd::session {

using vhost::BackendRequest;
using vhost::FrontendRequest;
using vhost::ProtocolFeature;

inline constexpr uint64_t kMs = 1'000'000;
inline constexpr uint64_t kAllFeatures =
    Mask(ProtocolFeature::kMq) | Mask(ProtocolFeature::kReplyAck) | Mask(ProtocolFeature::kBackendReq) |
    Mask(ProtocolFeature::kBackendSendFd) | Mask(ProtocolFeature::kShmem);
inline constexpr uint64_t kVirtioFeatures = vhost::kVirtioProtocolFeatures | 1;

// Applies what is published, and keeps it.
class RecordingSink : public state::EventSink {
 public:
  void Publish(const state::EventBody& body) override {
    under_test.Apply(body);
    events.push_back(body);
  }
  const state::Backend& table() const override { return under_test.backend; }

  state::BackendUnderTest under_test{state::Mode::kRelay};
  std::vector<state::EventBody> events;
};

template <typename Payload>
std::vector<uint8_t> BytesOf(const Payload& payload) {
  std::vector<uint8_t> bytes(sizeof(payload));
  std::memcpy(bytes.data(), &payload, sizeof(payload));
  return bytes;
}

inline base::FdFacts FileOf(uint64_t inode) {
  base::FdFacts fd = state::GoodFd();
  fd.inode = inode;
  return fd;
}

// A region of the memory table, and the file behind it.
struct TableEntry {
  vhost::MemoryRegion region;
  base::FdFacts fd;
};
inline TableEntry Ram(uint64_t guest_address = 0) {
  return {{guest_address, 0x100000, 0x7f0000000000 + guest_address, 0}, FileOf(7)};
}
inline TableEntry EchoOf(const base::FdFacts& fd, uint64_t fd_offset, uint64_t guest_address = 0x900000000) {
  return {{guest_address, 0x8000, 0x7e0000000000 + guest_address, fd_offset}, fd};
}

// Offsets, sizes and files that the tests map.
struct MapText {
  uint64_t shm_offset = 0x10000;
  uint64_t len = 0x8000;
  uint64_t fd_offset = 0x2000;
  uint64_t flags = 1;
  uint8_t shmid = 0;
  base::FdFacts fd = FileOf(100);
  uint32_t header_flags = vhost::kRequestWithAckFlags;
  size_t fd_count = 1;
};

class Conversation {
 public:
  explicit Conversation(const TrackerOptions& options = {}) : tracker(sink, options) {
    sink.Publish(state::Connected{});
    sink.Publish(state::StateChanged{state::BackendState::kNegotiating, {}});
  }

  Verdict Say(vhost::Channel channel, Sender sender, const vhost::Header& header,
              const std::vector<uint8_t>& payload, const std::vector<base::FdFacts>& fds = {},
              size_t fd_count = SIZE_MAX) {
    PassingMessage message{.channel = channel,
                           .sender = sender,
                           .header = header,
                           .payload = payload,
                           .fd_count = fd_count == SIZE_MAX ? fds.size() : fd_count,
                           .cut = false,
                           .now_ns = now_ns};
    message.header.size = static_cast<uint32_t>(payload.size());
    const Verdict verdict = tracker.Judge(message);
    if (verdict != Verdict::kHold) decoded = tracker.Passed(message, verdict, fds);
    now_ns += 1000;
    return verdict;
  }

  // The front-end asks on the main channel.
  Verdict Ask(FrontendRequest request, const std::vector<uint8_t>& payload = {},
              uint32_t flags = vhost::kRequestFlags, const std::vector<base::FdFacts>& fds = {}) {
    return Say(vhost::Channel::kMain, Sender::kFrontend, {Id(request), flags, 0}, payload, fds);
  }
  Verdict AskU64(FrontendRequest request, uint64_t value, uint32_t flags = vhost::kRequestFlags) {
    return Ask(request, BytesOf(value), flags);
  }
  Verdict AskRing(FrontendRequest request, uint32_t index, uint32_t num = 0,
                  uint32_t flags = vhost::kRequestFlags) {
    return Ask(request, BytesOf(vhost::VringState{index, num}), flags);
  }
  // The back-end answers there.
  Verdict Reply(uint32_t id, const std::vector<uint8_t>& payload, uint32_t flags = vhost::kReplyFlags) {
    return Say(vhost::Channel::kMain, Sender::kBackend, {id, flags, 0}, payload);
  }
  Verdict Reply(FrontendRequest request, const std::vector<uint8_t>& payload,
                uint32_t flags = vhost::kReplyFlags) {
    return Reply(Id(request), payload, flags);
  }
  Verdict ReplyU64(FrontendRequest request, uint64_t value) { return Reply(request, BytesOf(value)); }
  // The back-end asks on its channel, the front-end answers there.
  Verdict BackendAsks(uint32_t id, const std::vector<uint8_t>& payload, uint32_t flags,
                      const std::vector<base::FdFacts>& fds = {}, size_t fd_count = SIZE_MAX) {
    return Say(vhost::Channel::kBackend, Sender::kBackend, {id, flags, 0}, payload, fds, fd_count);
  }
  Verdict VmmAnswers(uint32_t id, uint64_t value, uint32_t flags = vhost::kReplyFlags) {
    return Say(vhost::Channel::kBackend, Sender::kFrontend, {id, flags, 0}, BytesOf(value));
  }
  Verdict VmmAnswers(BackendRequest request, uint64_t value) { return VmmAnswers(Id(request), value); }
  Verdict Map(const MapText& map = {}) {
    const vhost::MMapPayload wire{.shmid = map.shmid,
                                  .fd_offset = map.fd_offset,
                                  .shm_offset = map.shm_offset,
                                  .len = map.len,
                                  .flags = map.flags};
    return BackendAsks(Id(BackendRequest::kShmemMap), BytesOf(wire), map.header_flags, {map.fd},
                       map.fd_count);
  }
  Verdict Unmap(const MapText& map = {}) {
    const vhost::MMapPayload wire{.shmid = map.shmid, .shm_offset = map.shm_offset, .len = map.len};
    return BackendAsks(Id(BackendRequest::kShmemUnmap), BytesOf(wire), map.header_flags);
  }
  void MapDone(const MapText& map = {}) {
    Map(map);
    VmmAnswers(BackendRequest::kShmemMap, 0);
  }

  // Whole passages.
  void Negotiate(uint64_t offered = kAllFeatures, uint64_t acked = kAllFeatures) {
    Ask(FrontendRequest::kGetFeatures);
    ReplyU64(FrontendRequest::kGetFeatures, kVirtioFeatures);
    Ask(FrontendRequest::kGetProtocolFeatures);
    ReplyU64(FrontendRequest::kGetProtocolFeatures, offered);
    AskU64(FrontendRequest::kSetProtocolFeatures, acked);
    if (!Has(acked, ProtocolFeature::kBackendReq)) return;
    const bool ack = Has(acked, ProtocolFeature::kReplyAck);
    Ask(FrontendRequest::kSetBackendReqFd, {}, ack ? 0x9 : 0x1, {base::FdFacts{}});
    tracker.BackendChannelBegan();
    if (ack) ReplyU64(FrontendRequest::kSetBackendReqFd, 0);
  }
  static std::vector<uint8_t> ConfigPayload(const std::vector<uint64_t>& sizes) {
    vhost::ShmemConfigPayload wire;
    for (size_t i = 0; i < sizes.size(); ++i) {
      wire.sizes[i] = sizes[i];
      wire.num_regions += sizes[i] != 0 ? 1 : 0;
    }
    return BytesOf(wire);
  }
  void AskConfig(const std::vector<uint64_t>& sizes = {0x100000}) {
    Ask(FrontendRequest::kGetShmemConfig);
    Reply(FrontendRequest::kGetShmemConfig, ConfigPayload(sizes));
  }
  void SetMemTable(const std::vector<TableEntry>& entries, bool answered = true) {
    std::vector<uint8_t> payload =
        BytesOf(vhost::MemoryTableHeader{static_cast<uint32_t>(entries.size()), 0});
    std::vector<base::FdFacts> fds;
    for (const TableEntry& entry : entries) {
      const std::vector<uint8_t> bytes = BytesOf(entry.region);
      payload.insert(payload.end(), bytes.begin(), bytes.end());
      fds.push_back(entry.fd);
    }
    Ask(FrontendRequest::kSetMemTable, payload, 0x9, fds);
    if (answered) ReplyU64(FrontendRequest::kSetMemTable, 0);
  }
  void AddMemReg(const TableEntry& entry, bool answered = true) {
    Ask(FrontendRequest::kAddMemReg, BytesOf(vhost::SingleMemoryRegion{0, entry.region}), 0x9, {entry.fd});
    if (answered) ReplyU64(FrontendRequest::kAddMemReg, 0);
  }
  void RemMemReg(const TableEntry& entry) {
    Ask(FrontendRequest::kRemMemReg, BytesOf(vhost::SingleMemoryRegion{0, entry.region}), 0x9);
    ReplyU64(FrontendRequest::kRemMemReg, 0);
  }
  // As QEMU starts and stops a device with `rings` queues.
  void Start(uint32_t rings = 1, const std::vector<TableEntry>& memory = {Ram()}) {
    AskU64(FrontendRequest::kSetFeatures, kVirtioFeatures);
    if (!memory.empty()) SetMemTable(memory);
    for (uint32_t ring = 0; ring < rings; ++ring) {
      AskRing(FrontendRequest::kSetVringNum, ring, 64);
      AskRing(FrontendRequest::kSetVringBase, ring);
      AskU64(FrontendRequest::kSetVringKick, ring, 0x9);
      ReplyU64(FrontendRequest::kSetVringKick, 0);
    }
    for (uint32_t ring = 0; ring < rings; ++ring) Enable(ring, true);
  }
  void Stop(uint32_t rings = 1) {
    for (uint32_t ring = 0; ring < rings; ++ring) Enable(ring, false);
    for (uint32_t ring = 0; ring < rings; ++ring) {
      AskRing(FrontendRequest::kGetVringBase, ring);
      Reply(FrontendRequest::kGetVringBase, BytesOf(vhost::VringState{ring, 3}));
    }
  }
  void Enable(uint32_t ring, bool on) {
    AskRing(FrontendRequest::kSetVringEnable, ring, on ? 1 : 0, 0x9);
    ReplyU64(FrontendRequest::kSetVringEnable, 0);
  }

  const state::BackendStatus& status() const { return sink.table().status(); }
  bool observed() const { return status().observation.reason == state::UnobservedReason::kNone; }
  bool IsOpen(state::FindingCode code, int16_t shmid = state::kWholeBackend) const {
    return sink.under_test.IsOpen(code, shmid);
  }
  std::vector<state::Mapping> Mappings(uint8_t shmid = 0) const {
    const state::Region* region = sink.table().FindRegion(shmid);
    return region == nullptr ? std::vector<state::Mapping>{} : state::MappingsOf(region->table);
  }
  template <typename Body>
  std::vector<Body> Published() const {
    std::vector<Body> found;
    for (const state::EventBody& event : sink.events) {
      if (const Body* body = std::get_if<Body>(&event)) found.push_back(*body);
    }
    return found;
  }

  RecordingSink sink;
  SessionTracker tracker;
  int64_t now_ns = 1'000'000'000;
  bool decoded = true;
};

}  // namespace shmemd::session
