// Why a call failed, for programs: the reasons of google.rpc.ErrorInfo. Names are a contract and never
// change; docs/errors.md is made from the table.
#pragma once

#include <cstdint>
#include <string_view>

namespace shmemd::api {

enum class Reason : uint8_t {
  kAdminRoleRequired,
  kAlreadyAttached,
  kBackendBusy,
  kBackendInvalid,
  kBackendNotFound,
  kBackendUnreachable,
  kEventTypeInvalid,
  kFilterInvalid,
  kIdentityNotAllowed,
  kListenFailed,
  kMappingNotFound,
  kMaxExtentsInvalid,
  kOffsetInvalid,
  kOrderByInvalid,
  kPageSizeInvalid,
  kPageTokenInvalid,
  kPeerNotAllowed,
  kQueryNotAllowed,
  kRateLimited,
  kRegionNotFound,
  kRegionUnused,
  kRequestMalformed,
  kResourceNameInvalid,
  kResumeTokenExpired,
  kResumeTokenInvalid,
  kServiceUnknown,
  kShmemConfigInvalid,
  kShmemNotNegotiated,
  kShuttingDown,
  kSocketPathInvalid,
  kStateNotSaved,
  kTooManyBackends,
  kTooManyCalls,
  kTooManyCommands,
  kTooManyConnections,
  kTooManyWatchers,
};
inline constexpr int kReasonCount = 36;

// "BACKEND_NOT_FOUND".
std::string_view ReasonName(Reason reason);
// The canonical codes that it comes with: "NOT_FOUND", or several with commas.
std::string_view ReasonCodes(Reason reason);
// What it means to a caller, and what helps.
std::string_view ReasonMeaning(Reason reason);

}  // namespace shmemd::api
