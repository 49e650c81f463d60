// What a demo VMM is and does, as plain values: which front-end it behaves like, how it answers its back-end,
// and the steps it takes. Tests build one by hand or take DefaultVmmScript(); the program reads one from YAML
// (vmm_script_reader.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/peers/script.h"
#include "tests/peers/wire.h"

namespace shmemd::peers {

// How it answers SHMEM_MAP and SHMEM_UNMAP, rightly or wrongly.
struct VmmAnswers {
  enum class Errors { kOne, kErrno };
  enum class Unmap { kExact, kOffset, kAny };
  Errors errors = Errors::kOne;       // QEMU: 1, rust-vmm and crosvm: -errno
  Unmap unmap = Unmap::kExact;        // what of a range must be that of a mapping
  bool always = false;                // also when no answer was asked for (alioth)
  bool needs_reply_ack = false;       // only if REPLY_ACK was negotiated; QEMU answers whoever asks
  bool is_strict_about_fds = false;   // an odd number of descriptors gets no answer (rust-vmm)
  bool closes_after_failure = false;  // of a map (crosvm)
  // Wrong on purpose.
  uint32_t id_offset = 0;
  size_t copies = 1;         // 0: no answer
  bool is_reversed = false;  // the second before the first, the fourth before the third, ...
  bool is_cut = false;       // half of an answer, then the end
  bool is_garbage = false;
  size_t fd_count = 0;
  size_t piece_bytes = 0;
  std::chrono::milliseconds delay{0};

  bool operator==(const VmmAnswers&) const = default;
};

// How it shows mappings to its back-end once they are there.
enum class MemoryEcho {
  kAuto,   // kSlots with CONFIGURE_MEM_SLOTS, else kTable, as QEMU
  kTable,  // the whole of SET_MEM_TABLE
  kSlots,  // ADD_MEM_REG and REM_MEM_REG
  kNone,   // only its RAM
};

struct VmmStep {
  enum class Kind {
    kStart,           // or cont: the driver is ready
    kStop,            // the VM stops; mappings stay
    kReset,           // the guest resets; mappings go, without a message
    kResetDevice,     // RESET_DEVICE; mappings go
    kSetStatus,       // SET_STATUS value; mappings go with 0
    kQuery,           // GET_SHMEM_CONFIG once more
    kServe,           // until the peer leaves
    kWait,            // for a time
    kMappings,        // until so many mappings are live
    kRepeat,          // steps
    kRaw,             // bytes on the main channel
    kRawAnswer,       // bytes on the back-end channel
    kNewChannel,      // a second SET_BACKEND_REQ_FD
    kCloseChannel,    // the back-end channel
    kHalfClose,       // nothing more from us on the main channel
    kClose,           // the connection
    kReconnect,       // a new one, up to the end of the handshake
    kStopReading,     // neither channel is read any more; only waits make sense then
    kSecondFrontend,  // one more connection, that says GET_FEATURES
  };
  Kind kind = Kind::kServe;
  std::chrono::milliseconds wait{0};
  uint64_t value = 0;  // of kSetStatus, kMappings
  std::vector<VmmStep> steps;
  std::optional<uint64_t> times;  // of kRepeat; nothing: forever
  Bytes raw;

  bool operator==(const VmmStep&) const = default;

  static VmmStep Of(Kind kind) {
    VmmStep step;
    step.kind = kind;
    return step;
  }
  static VmmStep Wait(std::chrono::milliseconds wait);
  static VmmStep Mappings(uint64_t count);
  static VmmStep SetStatus(uint64_t status);
};

struct VmmScript {
  // Acknowledged as far as the back-end offers them.
  uint64_t protocol_features = 0;
  bool is_owner_first = false;  // SET_OWNER before all else (crosvm), not behind the features (QEMU)
  bool asks_config = true;
  bool complains_when_stopped = true;  // a map while the device is not started ends QEMU 11.1
  Regions windows;                     // what it assumes when it does not ask
  MemoryEcho echo = MemoryEcho::kAuto;
  uint32_t vrings = 2;
  uint64_t ram_bytes = uint64_t{16} << 20;
  std::chrono::milliseconds reply_timeout{5000};
  VmmAnswers answers;
  std::vector<VmmStep> steps;

  bool operator==(const VmmScript&) const = default;
};

// As QEMU 11.1: starts its device, and keeps going until the peer leaves.
VmmScript DefaultVmmScript();

// "qemu", "rust-vmm", "crosvm" or "alioth" puts that front-end's ways into the script; its steps stay. False
// for another name.
bool ApplyDialect(std::string_view name, VmmScript& script);

}  // namespace shmemd::peers
