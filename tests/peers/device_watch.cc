#include "tests/peers/device_watch.h"

#include <sys/stat.h>

#include <algorithm>

namespace shmemd::peers {
namespace {
constexpr size_t kRegionBytes = 32;
constexpr size_t kTableHeaderBytes = 8;  // of a table (count) and of a single region (padding)
}  // namespace

DeviceWatch::File DeviceWatch::FileOf(int fd) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return {};
  return {facts.st_dev, facts.st_ino};
}

void DeviceWatch::MappingEnded(int fd) {
  const auto found = mapped_.find(FileOf(fd));
  if (found != mapped_.end()) mapped_.erase(found);
}

void DeviceWatch::NoteTable(const Message& message) {
  if (message.request == kRemMemReg) {
    table_.erase(Get<uint64_t>(message.payload, kTableHeaderBytes));
    return;
  }
  if (message.request == kSetMemTable) table_.clear();
  for (size_t i = 0; i < message.fds.size(); ++i) {
    const auto guest_address = Get<uint64_t>(message.payload, kTableHeaderBytes + i * kRegionBytes);
    table_[guest_address] = FileOf(message.fds[i].get());
  }
}

bool DeviceWatch::ShowsAMapping() const {
  return std::any_of(table_.begin(), table_.end(),
                     [&](const auto& region) { return mapped_.count(region.second) != 0; });
}

void DeviceWatch::Reset() {
  ++resets_;
  mapped_.clear();
  was_shown_ = false;
}

void DeviceWatch::NoteEnable(uint32_t vring, bool is_enabled) {
  const bool was_started = is_started();
  if (is_enabled) {
    enabled_.insert(vring);
  } else {
    enabled_.erase(vring);
  }
  if (was_started && !is_started()) was_shown_ = ShowsAMapping();
  if (!was_started && is_started() && was_shown_ && !ShowsAMapping()) Reset();
}

void DeviceWatch::Note(const Message& message) {
  switch (message.request) {
    case kSetMemTable:
    case kAddMemReg:
    case kRemMemReg:
      NoteTable(message);
      break;
    case kSetVringNum:
    case kSetVringCall:
    case kSetVringKick:
      has_driver_ = true;
      break;
    case kSetVringEnable:
      has_driver_ = true;
      NoteEnable(Get<uint32_t>(message.payload, 0), Get<uint32_t>(message.payload, 4) != 0);
      break;
    case kSetStatus:
      if (Get<uint64_t>(message.payload, 0) != 0) break;
      [[fallthrough]];
    case kResetDevice:
      enabled_.clear();
      Reset();
      break;
    default:
      break;
  }
}

}  // namespace shmemd::peers
