// One connection of a demo VMM to its back-end: the handshake in QEMU 11.1's order, the device's start and
// stop, and the back-end channel. All on the caller's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/peers/fd.h"
#include "tests/peers/main_channel.h"
#include "tests/peers/memory_table.h"
#include "tests/peers/shmem_answerer.h"
#include "tests/peers/transcript.h"
#include "tests/peers/vmm_script.h"
#include "tests/peers/vmm_window.h"

namespace shmemd::peers {

class VmmSession {
 public:
  using Clock = std::chrono::steady_clock;

  // All but the socket outlive the session. When `stop_fd` becomes readable, waits end.
  VmmSession(Fd socket, const VmmScript* script, int stop_fd, VmmWindow* window, Transcript* transcript);

  // Up to GET_SHMEM_CONFIG, this included. Each of these is false when the back-end is gone, refused or did
  // not answer; the transcript says what.
  bool Handshake();
  bool Query();
  bool OpenBackendChannel();
  bool Start();
  bool Stop();
  bool Reset();
  bool ResetDevice();
  bool SetStatus(uint64_t status);
  bool SendRaw(const Bytes& bytes) { return main_.channel().Send(bytes); }
  bool SendRawAnswer(const Bytes& bytes) { return backend_.Send(bytes); }

  void CloseBackendChannel();
  // We send nothing more on the main channel.
  void HalfClose();
  void Close(const std::string& reason);
  void StopReading() { is_reading_ = false; }

  // Waits for the back-end, the deadline, `other_fd` or the stop, and handles what came.
  void Pump(std::optional<Clock::time_point> deadline, int other_fd);
  bool IsConnected() const { return main_.channel().is_open(); }
  bool IsStopped() const;
  // Why the main channel was closed.
  const std::string& close_reason() const { return main_.channel().close_reason(); }

 private:
  bool NegotiateFeatures();
  bool SetUpVring(uint32_t vring);
  bool SendFd(uint32_t request, uint32_t vring, int fd);
  bool SetEnabled(bool is_enabled);
  void ReadSizes(const Bytes& payload);
  void ServeBackend();
  void DropMappings(const std::string& why);
  bool HasFeature(int bit) const { return (protocol_features_ & FeatureMask(bit)) != 0; }

  const VmmScript* script_;
  const int stop_fd_;
  VmmWindow* window_;
  Transcript* transcript_;
  MainChannel main_;
  Channel backend_;
  MemoryTable memory_;
  ShmemAnswerer answerer_;
  Fd event_;  // kick, call and err of every vring
  uint64_t features_ = 0;
  uint64_t protocol_features_ = 0;
  std::vector<uint32_t> vring_bases_;
  bool is_started_ = false;
  bool is_reading_ = true;
};

}  // namespace shmemd::peers
