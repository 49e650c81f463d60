#include "server/api/error_reason.h"

#include <array>

namespace shmemd::api {
namespace {

struct Row {
  Reason reason;
  std::string_view name;
  std::string_view codes;
  std::string_view meaning;
};

constexpr std::array<Row, kReasonCount> kRows = {{
    {Reason::kAdminRoleRequired, "ADMIN_ROLE_REQUIRED", "PERMISSION_DENIED",
     "The method changes something and is served to the admin role only; metadata `admin_socket` says "
     "where."},
    {Reason::kAlreadyAttached, "ALREADY_ATTACHED", "ALREADY_EXISTS",
     "A back-end of this id is attached in another way; detach it first."},
    {Reason::kBackendBusy, "BACKEND_BUSY", "ABORTED, FAILED_PRECONDITION",
     "Another command runs on the back-end, it did not answer in time (ABORTED: try again), or an attached "
     "back-end uses the socket (FAILED_PRECONDITION)."},
    {Reason::kBackendInvalid, "BACKEND_INVALID", "INVALID_ARGUMENT",
     "What is to be attached makes no sense; metadata `field` names the field of the request."},
    {Reason::kBackendNotFound, "BACKEND_NOT_FOUND", "NOT_FOUND", "No back-end of this id is attached."},
    {Reason::kBackendUnreachable, "BACKEND_UNREACHABLE", "UNAVAILABLE",
     "Nobody answers at the back-end's socket, or the connection ended; the message says why."},
    {Reason::kEventTypeInvalid, "EVENT_TYPE_INVALID", "INVALID_ARGUMENT",
     "`types` holds what is no type of event."},
    {Reason::kFilterInvalid, "FILTER_INVALID", "INVALID_ARGUMENT",
     "`filter` cannot be read; the message says where."},
    {Reason::kIdentityNotAllowed, "IDENTITY_NOT_ALLOWED", "PERMISSION_DENIED",
     "None of the names in the client's certificate (metadata `identities`) is in the allow-list of the "
     "listener (metadata `setting`)."},
    {Reason::kListenFailed, "LISTEN_FAILED", "FAILED_PRECONDITION",
     "A relay cannot listen at its socket; the message has the path and the error."},
    {Reason::kMappingNotFound, "MAPPING_NOT_FOUND", "NOT_FOUND", "Nothing is mapped at this offset."},
    {Reason::kMaxExtentsInvalid, "MAX_EXTENTS_INVALID", "INVALID_ARGUMENT", "`max_extents` is negative."},
    {Reason::kOffsetInvalid, "OFFSET_INVALID", "INVALID_ARGUMENT", "`shm_offset_bytes` is negative."},
    {Reason::kOrderByInvalid, "ORDER_BY_INVALID", "INVALID_ARGUMENT",
     "`order_by` names what the list is not ordered by."},
    {Reason::kPageSizeInvalid, "PAGE_SIZE_INVALID", "INVALID_ARGUMENT", "`page_size` is negative."},
    {Reason::kPageTokenInvalid, "PAGE_TOKEN_INVALID", "INVALID_ARGUMENT",
     "`page_token` is not from this list with this filter, order and parent; begin without it."},
    {Reason::kPeerNotAllowed, "PEER_NOT_ALLOWED", "PERMISSION_DENIED",
     "Neither the user of the client's process (metadata `uid`) nor one of its groups is in the allow-lists "
     "of "
     "the socket (metadata `setting`)."},
    {Reason::kQueryNotAllowed, "QUERY_NOT_ALLOWED", "FAILED_PRECONDITION",
     "The back-end is relayed with `query: snoop`: only its VMM asks it."},
    {Reason::kRateLimited, "RATE_LIMITED", "RESOURCE_EXHAUSTED",
     "The caller has made `limits.max_calls_per_second` calls within a second; a RetryInfo says when there "
     "is "
     "room again."},
    {Reason::kRegionNotFound, "REGION_NOT_FOUND", "NOT_FOUND",
     "The sizes of the back-end's regions are not known, and nothing is mapped into this one; or, for peaks, "
     "nothing is known of it."},
    {Reason::kRegionUnused, "REGION_UNUSED", "NOT_FOUND",
     "The back-end says that it does not use this shmid."},
    {Reason::kRequestMalformed, "REQUEST_MALFORMED", "INVALID_ARGUMENT",
     "The bytes of the request are no message."},
    {Reason::kResourceNameInvalid, "RESOURCE_NAME_INVALID", "INVALID_ARGUMENT",
     "A name or parent is not of the form that the message gives."},
    {Reason::kResumeTokenExpired, "RESUME_TOKEN_EXPIRED", "OUT_OF_RANGE",
     "What followed the token is not kept any more, or shmemd was started anew; watch without it."},
    {Reason::kResumeTokenInvalid, "RESUME_TOKEN_INVALID", "INVALID_ARGUMENT",
     "`resume_token` is not one that a Watch returned."},
    {Reason::kServiceUnknown, "SERVICE_UNKNOWN", "NOT_FOUND",
     "Health was asked about a service that is not served."},
    {Reason::kShmemConfigInvalid, "SHMEM_CONFIG_INVALID", "FAILED_PRECONDITION",
     "The back-end's reply to GET_SHMEM_CONFIG makes no sense; the message has expected and got."},
    {Reason::kShmemNotNegotiated, "SHMEM_NOT_NEGOTIATED", "FAILED_PRECONDITION",
     "The back-end does not offer SHMEM, so it cannot be asked."},
    {Reason::kShuttingDown, "SHUTTING_DOWN", "UNAVAILABLE", "shmemd is ending; another may come."},
    {Reason::kSocketPathInvalid, "SOCKET_PATH_INVALID", "INVALID_ARGUMENT",
     "`socket` is no absolute path of at most 107 bytes."},
    {Reason::kStateNotSaved, "STATE_NOT_SAVED", "UNAVAILABLE",
     "The change cannot be written to `state_dir`, so it was not made; the message says why."},
    {Reason::kTooManyBackends, "TOO_MANY_BACKENDS", "RESOURCE_EXHAUSTED",
     "`limits.max_backends` back-ends are attached."},
    {Reason::kTooManyCalls, "TOO_MANY_CALLS", "RESOURCE_EXHAUSTED",
     "`limits.max_open_calls` calls and streams are open in this role; a RetryInfo says when to try again."},
    {Reason::kTooManyCommands, "TOO_MANY_COMMANDS", "RESOURCE_EXHAUSTED",
     "64 commands are waiting or running already; try again later."},
    {Reason::kTooManyConnections, "TOO_MANY_CONNECTIONS", "RESOURCE_EXHAUSTED",
     "The listener (metadata `listener`) has `limits.max_connections` connections; a RetryInfo says when to "
     "try "
     "again. Over TLS the connection is closed instead."},
    {Reason::kTooManyWatchers, "TOO_MANY_WATCHERS", "RESOURCE_EXHAUSTED",
     "`limits.max_watchers` streams are open already; a RetryInfo says when to try again."},
}};

constexpr bool InOrder() {
  for (int i = 0; i < kReasonCount; ++i) {
    if (static_cast<int>(kRows[static_cast<size_t>(i)].reason) != i) return false;
  }
  return true;
}
static_assert(InOrder(), "a row for each reason, in the order of the enum");

constexpr const Row& RowOf(Reason reason) { return kRows[static_cast<size_t>(reason)]; }

}  // namespace

std::string_view ReasonName(Reason reason) { return RowOf(reason).name; }
std::string_view ReasonCodes(Reason reason) { return RowOf(reason).codes; }
std::string_view ReasonMeaning(Reason reason) { return RowOf(reason).meaning; }

}  // namespace shmemd::api
