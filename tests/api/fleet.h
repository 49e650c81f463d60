// Back-ends with regions and mappings, without movers: what the services read in tests.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "server/api/replica_reader.h"
#include "server/base/mutex.h"
#include "server/state/backend.h"
#include "server/state/event_log.h"

namespace shmemd::api {

inline constexpr uint64_t kPage = 4096;

// Thread-safe: changes and reads take turns, as they do in feed::Hub.
class Fleet {
 public:
  void Attach(const std::string& id, state::Mode mode = state::Mode::kFrontend) {
    {
      base::MutexLock lock(mutex_);
      state::BackendSpec spec{id, "/run/" + id + ".sock", mode, state::Origin::kConfig};
      if (mode == state::Mode::kRelay) spec.frontend_socket = "/run/vm/" + id + ".sock";
      owned_[id] = std::make_unique<state::Backend>(state::BackendHandle{++handles_}, std::move(spec),
                                                    "uid-of-" + id, kStartNs, kPage);
      Log(*owned_[id], state::LogKind::kAttached);
      Index();
    }
    Tell();
  }

  void Detach(const std::string& id) {
    {
      base::MutexLock lock(mutex_);
      Log(*owned_.at(id), state::LogKind::kDetached);
      owned_.erase(id);
      Index();
    }
    Tell();
  }

  void Apply(const std::string& id, const state::EventBody& body) {
    {
      base::MutexLock lock(mutex_);
      state::Backend& backend = *owned_.at(id);
      state::Event event;
      event.backend = backend.handle();
      event.sequence = ++revision_;
      event.wall_time_ns = TimeOf(revision_);
      event.body = body;
      log_.Add({revision_, event.wall_time_ns, event.backend, state::LogKind::kEvent, id, body,
                state::ApplyAndCompare(backend, event)});
    }
    Tell();
  }

  // A session as far as ACTIVE; the regions come after.
  void Connect(const std::string& id) {
    constexpr uint64_t kShmemReplyAckBackendReqSendFd = 1 << 22 | 1 << 3 | 1 << 5 | 1 << 10;
    state::Connected connected;
    connected.peer = {1000, 100, 4242, {'d', 'e', 'm', 'o'}, true};
    Apply(id, connected);
    Apply(id, state::FeaturesSeen{{uint64_t{1} << 30, kShmemReplyAckBackendReqSendFd | uint64_t{1} << 40,
                                   kShmemReplyAckBackendReqSendFd, 22, true}});
    state::ShmemConfig config;
    config.reported_num_regions = 3;
    config.nonzero_size_count = 3;
    config.highest_shmid = 5;
    config.reply_payload_bytes = 2056;
    config.meaning = state::NumRegionsMeaning::kCount;
    config.source = state::ConfigSource::kAsked;
    config.observe_time_ns = kStartNs;
    Apply(id, state::ConfigSeen{config});
    Apply(id, state::StateChanged{state::BackendState::kActive, {}});
  }

  void Report(const std::string& id, uint8_t shmid, uint64_t size_bytes) {
    Apply(id, state::RegionReported{size_bytes, shmid, state::Exposed::kYes});
  }

  void Map(const std::string& id, uint8_t shmid, uint64_t shm_offset, uint64_t len, uint64_t flags = 1) {
    state::MapSettled settled;
    settled.request.shmid = shmid;
    settled.request.shm_offset = shm_offset;
    settled.request.len = len;
    settled.request.flags = flags;
    settled.request.fd_count = 1;
    settled.request.need_reply = true;
    settled.request.fd.kind = base::FdKind::kMemfd;
    settled.request.fd.inode = 7;
    settled.request.fd.size_bytes = int64_t{1} << 40;
    settled.request.fd.access = base::FdAccess::kReadWrite;
    settled.ack_latency_ns = 1500;
    Apply(id, settled);
  }

  void Unmap(const std::string& id, uint8_t shmid, uint64_t shm_offset, uint64_t len) {
    state::UnmapSettled settled;
    settled.request.shmid = shmid;
    settled.request.shm_offset = shm_offset;
    settled.request.len = len;
    settled.ack_latency_ns = 1500;
    Apply(id, settled);
  }

  // Called after each change, with nothing locked.
  void SetListener(std::function<void()> on_change) { on_change_ = std::move(on_change); }
  uint64_t revision() {
    base::MutexLock lock(mutex_);
    return revision_;
  }

  // About 50 KiB in an answer.
  void RaiseEveryFinding(const std::string& id) {
    for (int code = 0; code < state::kFindingCodeCount; ++code) {
      for (int16_t shmid = 0; shmid < 8; ++shmid) {
        Apply(id, state::FindingRaised{static_cast<state::FindingCode>(code), shmid, {}});
      }
    }
  }

  ReplicaReader reader() {
    return [this](const std::function<void(const feed::ReplicaView&)>& read) {
      base::MutexLock lock(mutex_);
      read(feed::ReplicaView{by_id_, revision_, true, log_});
    };
  }

  static constexpr size_t kMaxEvents = 512;
  static constexpr int64_t kStartNs = 1'700'000'000'000'000'000;

 private:
  void Log(const state::Backend& backend, state::LogKind kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ++revision_;
    log_.Add({revision_, TimeOf(revision_), backend.handle(), kind, backend.spec().id, {}, {}});
  }
  static int64_t TimeOf(uint64_t revision) { return kStartNs + static_cast<int64_t>(revision); }

  void Index() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    by_id_.clear();
    for (const auto& [id, backend] : owned_) by_id_[id] = backend.get();
  }

  void Tell() const {
    if (on_change_) on_change_();
  }

  std::function<void()> on_change_;
  base::Mutex mutex_;
  absl::btree_map<std::string, std::unique_ptr<state::Backend>> owned_ ABSL_GUARDED_BY(mutex_);
  feed::BackendsById by_id_ ABSL_GUARDED_BY(mutex_);
  uint64_t revision_ ABSL_GUARDED_BY(mutex_) = 0;
  state::EventLog log_ ABSL_GUARDED_BY(mutex_){kMaxEvents};
  uint32_t handles_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace shmemd::api
