// Whether the device runs, as the messages about its rings tell. Plain value, any thread, one at a time.
//
// A ring runs from SET_VRING_ENABLE 1 to GET_VRING_BASE (vhost-user specification, "Ring states"). Nothing on
// the wire says whether the guest has reset the device or the VM is stopped: both look like this.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>

namespace shmemd::session {

class DeviceRings {
 public:
  // Ring numbers from here on are ignored: far more than any device has.
  static constexpr size_t kMost = 1024;

  enum class Change : uint8_t { kNone, kStarted, kStopped };

  Change Enable(uint32_t ring, bool on);
  // GET_VRING_BASE.
  Change Stop(uint32_t ring);
  // RESET_DEVICE and what else stops all rings at once.
  Change StopAll();

  // From the first ring enabled to the last ring stopped.
  bool started() const { return started_; }
  // Narrower: from the first ring enabled to the first one disabled or stopped. QEMU 11.1.3 crashes on a map
  // outside of its own idea of this, which is not visible: it is the closest that the wire tells.
  bool may_map() const { return may_map_; }

 private:
  std::bitset<kMost> enabled_;
  std::bitset<kMost> running_;  // enabled since the start and not stopped by GET_VRING_BASE
  bool started_ = false;
  bool may_map_ = false;
};

}  // namespace shmemd::session
