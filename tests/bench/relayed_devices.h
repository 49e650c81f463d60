// A real shmemd that relays many devices, with both ends of each of them in this process: what API and relay
// have to bear at the same time.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tests/app/shmemd_process.h"
#include "tests/peers/fd.h"
#include "tests/peers/raw_backend.h"
#include "tests/peers/raw_frontend.h"
#include "tests/peers/temporary_directory.h"

namespace shmemd::bench {

// The relay thread of a shmemd runs on the first core, alone but for who is put beside it; everything else,
// the calling process included, on the others. Nothing is pinned on a machine with one core.
void PinToTheFirstCore(pid_t thread);  // 0: the calling one
void PinToTheOtherCores(pid_t thread);

class RelayedDevices {
 public:
  // Starts shmemd with back-ends b0 to b(count - 1), a session through each, and the relay thread pinned.
  explicit RelayedDevices(size_t count);

  const app::ShmemdProcess& shmemd() const { return *shmemd_; }
  double ResidentMiB();

  // One SHMEM_MAP or SHMEM_UNMAP of one page of region 0 of device `i`, its arrival at the VMM's end, and its
  // answer. Returns how long all of it took.
  double RoundTripMicros(size_t i, uint32_t id, uint64_t shm_offset);
  // Maps and unmaps in turn on the first `devices` devices, so many a second, until `stop`. What it did.
  size_t Churn(size_t devices, int per_second, const std::atomic<bool>& stop);

 private:
  struct Session {
    std::unique_ptr<peers::RawBackend> backend;
    std::unique_ptr<peers::RawFrontend> frontend;
  };

  const peers::TemporaryDirectory directory_;
  const peers::Fd file_;
  std::vector<Session> sessions_;
  std::unique_ptr<app::ShmemdProcess> shmemd_;
  size_t churned_ = 0;
};

}  // namespace shmemd::bench
