// What a demo back-end is and does, as plain values: its regions, what it offers, how it answers
// GET_SHMEM_CONFIG, and the steps it runs on the back-end channel. Tests build one by hand or take
// DefaultScript(); the program reads one from YAML (script_reader.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/peers/backing.h"
#include "tests/peers/wire.h"

namespace shmemd::peers {

using Regions = std::map<uint8_t, uint64_t>;  // shmid to size in bytes

// What the answer to a request has to be.
struct Expectation {
  enum class Kind { kOk, kFail, kErrno, kAny };
  Kind kind = Kind::kOk;
  int error = 0;  // with kErrno, positive: EINVAL expects -EINVAL in the ack

  bool operator==(const Expectation&) const = default;
};

// The whole of a SHMEM_MAP or SHMEM_UNMAP, every field free to be wrong.
struct ShmemRequest {
  uint8_t shmid = 0;
  uint64_t shm_offset = 0;
  uint64_t len = 0;
  uint64_t fd_offset = 0;
  uint64_t flags = 0;  // bit 0: read-write
  // Default: the script's backing, large enough for fd_offset + len.
  std::optional<BackingKind> backing;
  std::optional<uint64_t> file_size_bytes;
  std::string file;           // a name: requests with the same one share one file; empty: a file of its own
  size_t fd_count = 1;        // an UNMAP has 0 unless told otherwise
  uint32_t header_flags = 0;  // added to those of the request
  std::optional<uint32_t> header_size;
  std::optional<uint32_t> payload_bytes;  // default 40
  std::optional<uint32_t> request_id;
  uint8_t padding = 0;
  size_t piece_bytes = 0;  // above 0: sent in pieces of so many bytes
  bool wait_for_ack = true;
  bool need_reply = true;  // asked for only if REPLY_ACK was negotiated
  Expectation expect;

  bool operator==(const ShmemRequest&) const = default;
};

struct Step {
  enum class Kind {
    kMap,
    kUnmap,
    kWait,
    kRepeat,
    kTruncate,      // the file behind a mapping, to request.len bytes
    kRaw,           // bytes, on the back-end channel
    kCloseChannel,  // the back-end channel
    kDisconnect,    // the main channel, and with it the session
  };
  Kind kind = Kind::kWait;
  ShmemRequest request;
  std::chrono::milliseconds wait{0};
  std::vector<Step> steps;
  std::optional<uint64_t> times;  // nothing: forever
  Bytes raw;

  bool operator==(const Step&) const = default;

  static Step Map(uint8_t shmid, uint64_t shm_offset, uint64_t len, Expectation expect = {});
  static Step Unmap(uint8_t shmid, uint64_t shm_offset, uint64_t len, Expectation expect = {});
  static Step Wait(std::chrono::milliseconds wait);
  static Step Repeat(std::vector<Step> steps, std::optional<uint64_t> times = std::nullopt);
};

// The answer to GET_SHMEM_CONFIG.
struct ConfigReply {
  enum class Form {
    kFull,       // 256 entries, num_regions counts those that are not zero: what the specification asks for
    kTruncated,  // entries up to the highest shmid, num_regions is the count
    kSpan,       // 256 entries, num_regions is the highest shmid + 1
    kTruncatedSpan,
  };
  enum class Answer { kReply, kNothing, kClose, kHalfThenClose, kGarbage };
  Form form = Form::kFull;
  Answer answer = Answer::kReply;
  std::optional<uint32_t> num_regions;
  uint32_t padding = 0;
  uint32_t request_id = kGetShmemConfig;
  uint32_t flags = kReplyFlags;
  std::optional<uint32_t> header_size;    // what the header claims
  std::optional<uint32_t> payload_bytes;  // what follows it: cut, or filled up with zeros
  size_t fd_count = 0;
  size_t piece_bytes = 0;
  std::chrono::milliseconds delay{0};
  std::optional<Regions> second_answer;  // told from the second request of a connection on

  bool operator==(const ConfigReply&) const = default;
};

struct Features {
  std::optional<int> shmem_bit = kFeatureShmem;  // nothing: not offered
  bool reply_ack = true;
  bool backend_req = true;
  bool send_fd = true;
  bool protocol_features = true;
  uint64_t more_protocol_features = 0;

  bool operator==(const Features&) const = default;
};

struct Script {
  // When the steps begin; always also after the back-end channel is there. With a driver they wait while the
  // device is stopped, and begin anew when its mappings have gone (device_watch.h).
  enum class Start {
    kAuto,    // kVringEnable for a front-end that sets up vrings before it asks, else kConfig
    kConfig,  // GET_SHMEM_CONFIG was answered
    kChannel,
    kVringEnable,
  };

  Regions regions;
  Features features;
  ConfigReply config_reply;
  BackingKind backing = BackingKind::kMemfd;
  Start start = Start::kAuto;
  std::vector<Step> steps;
  std::chrono::milliseconds ack_timeout{5000};
  bool is_silent = false;  // reads everything, answers nothing

  bool operator==(const Script&) const = default;
};

// Regions 0 (64 MiB), 2 (16 MiB) and 5 (4 MiB), live mappings in each, and one that keeps changing, without
// end.
Script DefaultScript();

// One connection's offer of GET_PROTOCOL_FEATURES.
uint64_t OfferedProtocolFeatures(const Features& features);

}  // namespace shmemd::peers
