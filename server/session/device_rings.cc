#include "server/session/device_rings.h"

namespace shmemd::session {

DeviceRings::Change DeviceRings::Enable(uint32_t ring, bool on) {
  if (ring >= kMost) return Change::kNone;
  if (!on) {
    if (enabled_.test(ring)) may_map_ = false;
    enabled_.reset(ring);
    return Change::kNone;
  }
  enabled_.set(ring);
  running_.set(ring);
  may_map_ = true;
  if (started_) return Change::kNone;
  started_ = true;
  return Change::kStarted;
}

DeviceRings::Change DeviceRings::Stop(uint32_t ring) {
  if (ring >= kMost || !running_.test(ring)) return Change::kNone;
  may_map_ = false;
  running_.reset(ring);
  enabled_.reset(ring);
  if (running_.any()) return Change::kNone;
  started_ = false;
  return Change::kStopped;
}

DeviceRings::Change DeviceRings::StopAll() {
  enabled_.reset();
  running_.reset();
  may_map_ = false;
  if (!started_) return Change::kNone;
  started_ = false;
  return Change::kStopped;
}

}  // namespace shmemd::session
