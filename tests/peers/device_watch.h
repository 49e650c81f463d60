// What a back-end can know of its device from the main channel: whether a driver is there, whether the device
// runs, and when its mappings have gone. A front-end drops them at a guest's reset without a message (QEMU
// 11.1); they are known to be gone when its memory table showed one before the device stopped, and shows none
// when it starts again. RESET_DEVICE and SET_STATUS 0 say it at once.
//
// One per connection, used by its session's thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "tests/peers/wire.h"

namespace shmemd::peers {

class DeviceWatch {
 public:
  // Every message of the main channel, with its descriptors.
  void Note(const Message& message);

  // Files behind the back-end's live mappings.
  void MappingBegan(int fd) { mapped_.insert(FileOf(fd)); }
  void MappingEnded(int fd);

  // The front-end sets up vrings: it will start the device. One that only asks for regions never does.
  bool has_driver() const { return has_driver_; }
  // A vring is enabled. A device that is not started must not map.
  bool is_started() const { return !enabled_.empty(); }
  // Grows when the mappings have gone; they are forgotten then.
  uint64_t resets() const { return resets_; }

 private:
  using File = std::pair<dev_t, ino_t>;
  static File FileOf(int fd);
  void NoteTable(const Message& message);
  void NoteEnable(uint32_t vring, bool is_enabled);
  bool ShowsAMapping() const;
  void Reset();

  std::map<uint64_t, File> table_;  // by guest address
  std::multiset<File> mapped_;
  std::set<uint32_t> enabled_;
  bool has_driver_ = false;
  bool was_shown_ = false;
  uint64_t resets_ = 0;
};

}  // namespace shmemd::peers
