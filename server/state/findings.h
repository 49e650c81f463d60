// Findings: something odd that a person should know. A finding is a code with numbers; its words are made
// here, by whoever shows it, so that events stay plain data.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shmemd::state {

enum class Severity : uint8_t { kInfo, kWarning, kError };

enum class FindingCode : uint8_t {
  kShmemBitMismatch,
  kShmemAdvertisedNoConfig,
  kConfigNotSeen,
  kConfigReplyTruncated,
  kConfigReplyMalformed,
  kConfigChanged,                // on the same connection: error
  kConfigChangedAfterReconnect,  // shown as CONFIG_CHANGED too, as info
  kNumRegionsSpan,
  kNumRegionsTooSmall,
  kNumRegionsTooLarge,
  kPaddingNonzero,
  kRegionSizeUnaligned,
  kRegionSizeTooLarge,
  kRegionSumNotPowerOfTwo,
  kMapOverlap,
  kMapOutOfRange,
  kMapUnaligned,
  kMapUnknownShmid,
  kMapUnknownFlags,
  kMapNoFd,
  kMapExtraFds,
  kMapNoAck,
  kMapNoResources,
  kMappingLimit,
  kUnmapPartial,
  kUnmapNotMapped,
  kStaleAfterReset,
  kBeyondEof,
  kEmptyBacking,
  kShrinkableBacking,
  kFdNotWritable,
  kFdOffsetUnaligned,
  kNoReplyAck,
  kMissingBackendSendFd,
  kDeviceNotStarted,
  kHeaderOdd,
  kMessageUnknown,
  kMessageTooLarge,
  kMapLenZero,
  kMapMalformed,
  kMissingBackendReq,
  kUnmapWithFd,
  kMapWhenStopped,
  kReadOnlyNotEnforced,
  kMemoryTableFull,
  kEchoDeadlock,
  kSecondFrontend,
  kPairingLost,
  kGuardRefused,
  kGuardDropped,
  kCertificateUnreadable,  // of shmemd itself: server_finding.h
};
inline constexpr int kFindingCodeCount = static_cast<int>(FindingCode::kCertificateUnreadable) + 1;

// Names of the numbers of a case. kNone ends the list.
enum class EvidenceKey : uint8_t {
  kNone,
  kExpected,
  kGot,
  kShmid,
  kShmOffset,
  kLen,
  kFdOffset,
  kFlags,
  kFdCount,
  kRegionSizeBytes,
  kPageSizeBytes,
  kFileSizeBytes,
  kBeyondEofBytes,
  kInode,
  kNumRegions,
  kNonzeroSizeCount,
  kHighestShmid,
  kReplyPayloadBytes,
  kPadding,
  kFeatureBit,
  kOfferedProtocolFeatures,
  kMessageId,
  kErrorNumber,
  kOtherOffset,
  kOtherLen,
  kLimit,
  kSumBytes,
};

struct Evidence {
  EvidenceKey key = EvidenceKey::kNone;
  uint64_t value = 0;

  bool operator==(const Evidence&) const = default;
};
using EvidenceList = std::array<Evidence, 6>;

// No shmid: the finding is about the back-end as a whole.
inline constexpr int16_t kWholeBackend = -1;

struct Finding {
  FindingCode code{};
  int16_t shmid = kWholeBackend;
  bool open = true;
  uint32_t epoch = 0;  // connection epoch in which it was last seen
  uint64_t count = 0;
  int64_t first_seen_ns = 0;  // wall clock
  int64_t last_seen_ns = 0;   // wall clock
  EvidenceList evidence{};    // of the last case

  bool operator==(const Finding&) const = default;
};

// "MAP_OVERLAP". kConfigChangedAfterReconnect is "CONFIG_CHANGED" as well.
std::string_view FindingCodeName(FindingCode code);
Severity FindingSeverity(FindingCode code);
std::string_view SeverityName(Severity severity);  // "info", "warning", "error"

// One sentence with the numbers, e.g. "SHMEM_MAP of 0x8000 bytes at 0x10000 overlaps the mapping at 0x14000".
std::string FindingSummary(const Finding& finding);
// The same with names instead of numbers, "{len} bytes at {shm_offset}", of a case where all are known.
std::string FindingPattern(FindingCode code);
// What to do about it.
std::string_view FindingRemedy(FindingCode code);
// The numbers by name ("shm_offset" -> "0x10000"): offsets and masks in hexadecimal, the rest decimal.
std::vector<std::pair<std::string, std::string>> FindingEvidence(const Finding& finding);

}  // namespace shmemd::state
