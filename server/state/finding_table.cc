#include "server/state/finding_table.h"

#include <array>
#include <cstddef>

namespace shmemd::state {
namespace {

using enum FindingCode;
using enum Severity;

// In the order of the enumeration.
constexpr std::array<FindingRow, kFindingCodeCount> kTable = {{
    {kShmemBitMismatch, kWarning, "SHMEM_BIT_MISMATCH",
     "the back-end offers protocol feature bit[ {feature_bit}|s] where drafts of SHMEM were, and not bit 22 "
     "where "
     "SHMEM is",
     "Build the back-end against a release that uses bit 22: rust-vmm vhost 0.17.0 or later, crosvm since "
     "August 2026, "
     "QEMU 11.1. Bits 20 and 21 mean GET_VRING_BASE_INFLIGHT and GPA_ADDRESSES today, so a current VMM would "
     "negotiate those instead and see no shared memory."},
    {kShmemAdvertisedNoConfig, kError, "SHMEM_ADVERTISED_NO_CONFIG",
     "the back-end offers SHMEM and did not answer GET_SHMEM_CONFIG",
     "Answer GET_SHMEM_CONFIG (message 44) or stop offering bit 22. libvhost-user does not handle the "
     "message at all, "
     "and rust-vmm's vhost-user-backend closes the connection unless the device implements get_shmem_config. "
     "QEMU "
     "asks while it creates the device and ends when the connection breaks there."},
    {kConfigNotSeen, kInfo, "CONFIG_NOT_SEEN",
     "the VMM has not asked GET_SHMEM_CONFIG, so region sizes are not known",
     "Nothing is wrong: vhost-user-fs, alioth and libkrun never ask. Set query: inject to let shmemd ask "
     "once itself, "
     "after checking that this back-end answers: some that offer SHMEM drop the connection when asked."},
    {kConfigReplyTruncated, kWarning, "CONFIG_REPLY_TRUNCATED",
     "the reply to GET_SHMEM_CONFIG has {reply_payload_bytes} bytes of payload instead of [{expected}|2056]; "
     "missing "
     "sizes were read as 0",
     "Always send all 256 sizes: 2056 bytes of payload. QEMU accepts less, but the front-ends of rust-vmm "
     "and crosvm "
     "wait for the missing bytes forever."},
    {kConfigReplyMalformed, kError, "CONFIG_REPLY_MALFORMED",
     "the reply to GET_SHMEM_CONFIG could not be read[: expected flags {expected:x}, got {flags}|: expected "
     "{expected} file descriptors, got {fd_count}|: expected message {expected}, got {message_id}|: expected "
     "8 to {expected} bytes of payload in steps of 8, got {reply_payload_bytes}]",
     "Reply with id 44, flags 0x5, 2056 bytes of payload and no file descriptor. QEMU aborts on a reply that "
     "is longer "
     "or has other flags, also when a device is hot-plugged into a running VM."},
    {kConfigChanged, kError, "CONFIG_CHANGED",
     "GET_SHMEM_CONFIG was answered differently on the same connection[: size of shmid {shmid} was "
     "{expected}, is "
     "{got}|: num_regions was {expected}, is {num_regions}|: payload was {expected} bytes, is "
     "{reply_payload_bytes}]",
     "Keep the regions constant for the lifetime of a connection: VMMs ask once and place the regions then. "
     "For a "
     "region that should grow, report the largest size from the start and map on demand."},
    {kConfigChangedAfterReconnect, kInfo, "CONFIG_CHANGED",
     "GET_SHMEM_CONFIG is answered differently than on the connection before[: size of shmid {shmid} was "
     "{expected}, "
     "is {got}|: num_regions was {expected}, is {num_regions}|: payload was {expected} bytes, is "
     "{reply_payload_bytes}]",
     "Expected after an upgrade or a change of configuration. A VMM that stays attached across the reconnect "
     "goes on "
     "with the old sizes; restart it if they matter."},
    {kNumRegionsSpan, kInfo, "NUM_REGIONS_SPAN",
     "num_regions is [{num_regions}, the highest shmid plus 1|the highest shmid plus 1], though "
     "[{nonzero_size_count} sizes are|the number of sizes that are] not 0",
     "Send the number of sizes that are not 0, as the specification says. QEMU and crosvm read this reply as "
     "meant, "
     "since both look at the sizes; a stricter front-end need not."},
    {kNumRegionsTooSmall, kError, "NUM_REGIONS_TOO_SMALL",
     "num_regions is {num_regions}, but {nonzero_size_count} sizes are not 0: VMMs ignore the surplus "
     "regions",
     "Send the number of sizes that are not 0. QEMU and crosvm stop after num_regions sizes and expose "
     "nothing of the "
     "rest, without a word; here the rest is listed as not exposed."},
    {kNumRegionsTooLarge, kWarning, "NUM_REGIONS_TOO_LARGE",
     "num_regions is {num_regions}, but only {nonzero_size_count} sizes are not 0",
     "Send the number of sizes that are not 0. Up to 256 this is harmless today; above 256 QEMU refuses to "
     "create the "
     "device."},
    {kPaddingNonzero, kInfo, "PADDING_NONZERO",
     "padding of [the SHMEM_MAP at {shm_offset}|message {message_id}|a message] is not 0[: {padding}]",
     "Zero the whole message before filling it in. Nobody checks padding today; what is in it now may be "
     "uninitialised memory of the back-end."},
    {kRegionSizeUnaligned, kError, "REGION_SIZE_UNALIGNED",
     "region {shmid} has {region_size_bytes} bytes, no multiple of the page size[ ({page_size_bytes} bytes)]",
     "Round the size up to a multiple of the largest page size of the hosts it shall run on. QEMU refuses to "
     "create "
     "the device otherwise."},
    {kRegionSizeTooLarge, kError, "REGION_SIZE_TOO_LARGE",
     "[region {shmid} has {region_size_bytes} bytes|the sizes of all regions add up to {sum_bytes} bytes or "
     "more], "
     "which is more than [{limit} bytes|a VMM can map]",
     "Report what the device can use. A size this large is usually a negative number or an uninitialised "
     "field; QEMU "
     "refuses sizes whose sum overflows."},
    {kRegionSumNotPowerOfTwo, kWarning, "REGION_SUM_NOT_POWER_OF_TWO",
     "the sizes of all regions add up to {sum_bytes} bytes, no power of two",
     "Make the sum a power of two if QEMU 11.1's vhost-user-test-device-pci shall use this back-end: it puts "
     "all regions "
     "into one PCI BAR and aborts otherwise. The specification does not ask for it."},
    {kMapOverlap, kError, "MAP_OVERLAP",
     "SHMEM_MAP[ of {len:x} bytes at {shm_offset}] overlaps [the mapping of {other_len:x} bytes at "
     "{other_offset}|the mapping at {other_offset}|another mapping]",
     "Unmap the old range first and wait for its answer. VMMs have to refuse a map over a map; one that "
     "acknowledges "
     "it (alioth does) has lost the overlapped part of the old mapping, and so has this table. If the "
     "back-end thinks "
     "the range is free, it may have missed a failed unmap or a device reset."},
    {kMapOutOfRange, kError, "MAP_OUT_OF_RANGE",
     "SHMEM_MAP[ of {len:x} bytes at {shm_offset}][ from file offset {fd_offset}] lies outside of the "
     "region[ of "
     "{region_size_bytes:x} bytes| or wraps]",
     "Keep shm_offset + len within the size that GET_SHMEM_CONFIG reported, and fd_offset + len below 2^64. "
     "QEMU "
     "refuses such a map; alioth maps it over whatever follows its window."},
    {kMapUnaligned, kWarning, "MAP_UNALIGNED",
     "SHMEM_MAP[ of {len:x} bytes] starts at {shm_offset}, no multiple of the page size[ ({page_size_bytes} "
     "bytes)]",
     "Start every mapping on a page. QEMU accepts other offsets but gives the guest only the whole pages "
     "inside; other "
     "VMMs, and shmemd as front-end, refuse. A len that is no page multiple is fine if the next mapping "
     "starts on a "
     "new page."},
    {kMapUnknownShmid, kError, "MAP_UNKNOWN_SHMID",
     "SHMEM_MAP[ of {len:x} bytes at {shm_offset}] names shmid {shmid}, for which no size was reported",
     "Report the region in GET_SHMEM_CONFIG at the index that the maps use: the index of a size in the array "
     "is the "
     "shmid."},
    {kMapUnknownFlags, kWarning, "MAP_UNKNOWN_FLAGS",
     "SHMEM_MAP[ of {len:x} bytes at {shm_offset}] has flags {flags}, of which only bit 0 is defined",
     "Send 0 for read-only or 1 for read-write. QEMU ignores other bits; rust-vmm and crosvm refuse the "
     "message without "
     "an answer. crosvm's own older dialect used bit 0 for read and bit 1 for write."},
    {kMapNoFd, kError, "MAP_NO_FD",
     "SHMEM_MAP[ of {len:x} bytes at {shm_offset}] carried no file descriptor, expected 1",
     "Pass exactly one descriptor, with the first byte of the message's header. QEMU takes a descriptor that "
     "comes with "
     "the payload for missing. Offer BACKEND_SEND_FD (bit 10) as well."},
    {kMapExtraFds, kError, "MAP_EXTRA_FDS",
     "SHMEM_MAP[ of {len:x} bytes at {shm_offset}] carried {fd_count} file descriptors, expected 1",
     "Pass exactly one descriptor. QEMU uses the first and closes the others; rust-vmm and crosvm refuse the "
     "message "
     "without an answer."},
    {kMapNoAck, kWarning, "MAP_NO_ACK",
     "SHMEM_MAP[ of {len:x} bytes at {shm_offset}] did not ask for an answer, so the mapping is assumed, not "
     "known",
     "Set NEED_REPLY (flag bit 3) on SHMEM_MAP and negotiate REPLY_ACK (bit 3). Without it the back-end "
     "cannot learn "
     "that a map failed, and may let a guest touch a range where nothing is."},
    {kMapNoResources, kError, "MAP_NO_RESOURCES",
     "SHMEM_MAP[ of {len:x} bytes at {shm_offset}] could not be mapped[: {error_number}|: the region of "
     "{region_size_bytes} bytes is larger than limits.max_window]",
     "On ENOMEM look at vm.max_map_count and the memory limit of the container; on EACCES the descriptor "
     "must be open for "
     "reading and, for a read-write map, writing; on EINVAL at hugetlb, fd_offset must be a multiple of the "
     "huge page. "
     "Regions above limits.max_window are listed, but their maps are refused."},
    {kMappingLimit, kError, "MAPPING_LIMIT",
     "SHMEM_MAP[ of {len:x} bytes at {shm_offset}] was refused: [{limit} mappings exist already|too many "
     "mappings "
     "exist already]",
     "Unmap what is not used, or map larger ranges: each mapping costs the VMM a memory slot. If the device "
     "needs more, "
     "raise limits.max_mappings, and with it vm.max_map_count."},
    {kUnmapPartial, kError, "UNMAP_PARTIAL",
     "SHMEM_UNMAP[ of {len:x} bytes at {shm_offset}] does not cover exactly one mapping[; the mapping there "
     "has "
     "{other_len:x} bytes at {other_offset}]",
     "Unmap with the shm_offset and len of the map. QEMU refuses anything else; crosvm looks at shm_offset "
     "alone and "
     "alioth takes any range, so a back-end that was tested there only may send such a message."},
    {kUnmapNotMapped, kWarning, "UNMAP_NOT_MAPPED",
     "SHMEM_UNMAP[ of {len:x} bytes at {shm_offset}] names a range where nothing is mapped",
     "Check what the back-end believes to be mapped. Often the device was reset in between: a reset drops "
     "all mappings "
     "without a message, and a back-end that cannot tell it from a stopped VM unmaps them once more."},
    {kStaleAfterReset, kWarning, "STALE_AFTER_RESET",
     "[{len:x} bytes of mappings|mappings] may be gone since the device was stopped or reset",
     "None needed if the VM was only stopped: a memory table that shows the mappings makes them MAPPED "
     "again. After a "
     "reset the back-end has to map what it needs again. QEMU drops mappings at a reset, crosvm keeps them."},
    {kBeyondEof, kError, "BEYOND_EOF",
     "the mapping[ of {len:x} bytes at {shm_offset}] reaches[ {beyond_eof_bytes:x} bytes] beyond the end of "
     "its file[ "
     "of {file_size_bytes:x} bytes]: touching that part kills the VMM with SIGBUS",
     "Make the file large enough before mapping it, and keep it so: seal a memfd with F_SEAL_SHRINK. QEMU "
     "refuses a map "
     "that is longer than its file at the time, rounded up to pages, but not a file that is cut off later."},
    {kEmptyBacking, kWarning, "EMPTY_BACKING",
     "the file behind the mapping[ of {len:x} bytes at {shm_offset}] is empty",
     "Size the file with ftruncate before sending it. QEMU enlarges an empty file itself, and if that fails, "
     "as on a "
     "memfd with F_SEAL_GROW, acknowledges the map all the same: the first access by the guest then kills "
     "QEMU with "
     "SIGBUS."},
    {kShrinkableBacking, kInfo, "SHRINKABLE_BACKING",
     "the file behind a mapping[ in shmid {shmid}][ at {shm_offset}] can be truncated while it is mapped[ "
     "(inode "
     "{inode})]",
     "Use a memfd and seal it with F_SEAL_SHRINK (then F_SEAL_SEAL). Without the seal anyone who holds the "
     "file can cut "
     "it off, and the VMM dies with SIGBUS at the next access. Nothing is wrong as long as nobody does."},
    {kFdNotWritable, kWarning, "FD_NOT_WRITABLE",
     "the file behind the mapping[ of {len:x} bytes at {shm_offset}] was opened read-only",
     "Open it read-write, even for a read-only mapping (flags 0): QEMU 11.1 refuses a read-only descriptor "
     "with "
     "\"Permission denied\"."},
    {kFdOffsetUnaligned, kError, "FD_OFFSET_UNALIGNED",
     "SHMEM_MAP[ of {len:x} bytes at {shm_offset}] has fd_offset {fd_offset}, no multiple of the page size[ "
     "({page_size_bytes} bytes)]",
     "Use an fd_offset that is a multiple of the page size, on hugetlb of the huge page: mmap takes no "
     "other, and QEMU "
     "refuses the map."},
    {kNoReplyAck, kWarning, "NO_REPLY_ACK",
     "the back-end does not offer REPLY_ACK (bit 3), so it cannot learn whether a map succeeded",
     "Offer REPLY_ACK and set NEED_REPLY on SHMEM_MAP and SHMEM_UNMAP. Until then its mappings are shown as "
     "ASSUMED."},
    {kMissingBackendSendFd, kWarning, "MISSING_BACKEND_SEND_FD",
     "the back-end offers SHMEM without BACKEND_SEND_FD (bit 10), which SHMEM_MAP needs to pass a file",
     "Offer BACKEND_SEND_FD (bit 10) together with SHMEM. QEMU takes descriptors without bit 10, but the "
     "specification allows them only with it."},
    {kDeviceNotStarted, kInfo, "DEVICE_NOT_STARTED",
     "nothing is mapped yet: shmemd as front-end does not start the device",
     "Nothing is wrong. Real devices map on requests of a guest, and there is none here. To see live "
     "mappings, put "
     "shmemd between the VMM and the back-end (mode relay), or use a back-end that maps by itself."},
    {kHeaderOdd, kWarning, "HEADER_ODD",
     "[message {message_id}|a message] has an odd header[: expected flags {expected:x}, got {got:x}|: flags "
     "{flags}]",
     "Send version 1 in bits 0 and 1, REPLY (bit 2) on replies only, and 0 in bits 4 to 31. QEMU overlooks "
     "much of "
     "this; rust-vmm and crosvm close the connection."},
    {kMessageUnknown, kInfo, "MESSAGE_UNKNOWN",
     "a peer sent message[ {message_id}|s that are not known], which shmemd does not know",
     "Messages 1000 to 1007 are crosvm's dialect from before SHMEM was standardised: use a back-end of 2026 "
     "or later. "
     "Any other: check whether a newer shmemd knows it."},
    {kMessageTooLarge, kError, "MESSAGE_TOO_LARGE",
     "the header of [message {message_id}|a message] announces {got} bytes of payload[, at most {limit} are "
     "accepted|, at most {expected} are accepted]",
     "Check the header that the back-end writes: id, flags, size, 4 bytes each. QEMU closes the channel "
     "above 2056 "
     "bytes, rust-vmm above 4096. A huge size is often a payload that was read as a header, after a length "
     "error in "
     "the message before."},
    {kMapLenZero, kError, "MAP_LEN_ZERO", "SHMEM_MAP[ at {shm_offset}] has len 0",
     "Send the length of the range. QEMU and rust-vmm refuse 0. There is no value that stands for the whole "
     "file."},
    {kMapMalformed, kError, "MAP_MALFORMED",
     "[message {message_id}|a SHMEM_MAP or SHMEM_UNMAP] could not be read[: expected {expected} bytes of "
     "payload, got "
     "{got}|: {got} bytes of payload]",
     "Send 40 bytes: shmid and 7 bytes of padding, fd_offset, shm_offset, len, flags, 8 bytes each. In "
     "crosvm's old "
     "dialect the order was another one."},
    {kMissingBackendReq, kWarning, "MISSING_BACKEND_REQ",
     "the back-end offers SHMEM without BACKEND_REQ (bit 5), so it has no channel to send SHMEM_MAP on",
     "Offer BACKEND_REQ (bit 5) and BACKEND_SEND_FD (bit 10) together with SHMEM. Without the channel the "
     "regions stay empty."},
    {kUnmapWithFd, kInfo, "UNMAP_WITH_FD",
     "SHMEM_UNMAP[ of {len:x} bytes at {shm_offset}] carried[ {fd_count}] file descriptors, expected none",
     "Send SHMEM_UNMAP without a descriptor. QEMU closes it; rust-vmm and crosvm refuse the message."},
    {kMapWhenStopped, kError, "MAP_WHEN_STOPPED",
     "message {message_id}[ for {len:x} bytes at {shm_offset}] was sent while the device was not started: it "
     "crashes QEMU 11.1.3",
     "Map and unmap only between the first SET_VRING_ENABLE 1 and the first SET_VRING_ENABLE 0. The "
     "specification lets a suspended device send nothing. guard: protect keeps such requests from the VMM, "
     "but "
     "cannot help with one that is under way when the guest resets the device."},
    {kReadOnlyNotEnforced, kWarning, "READ_ONLY_NOT_ENFORCED",
     "the mapping[ of {len:x} bytes at {shm_offset}] is read-only, which QEMU 11.1.3 does not enforce: the "
     "guest "
     "can write to the file",
     "Do not count on flags 0 to keep a guest from writing: send a descriptor of data that may be written, "
     "or a "
     "memfd sealed with F_SEAL_WRITE, which QEMU then refuses to map."},
    {kMemoryTableFull, kError, "MEMORY_TABLE_FULL",
     "{got} mappings and memory regions are in use, and the memory table of this device holds {limit}: QEMU "
     "answers the map with success and sends no memory table any more",
     "Offer CONFIGURE_MEM_SLOTS (bit 15) in the back-end, or keep fewer mappings at a time. From the map "
     "that "
     "does not fit on, the back-end's own view of guest memory is out of date."},
    {kEchoDeadlock, kError, "ECHO_DEADLOCK",
     "the VMM waits for the answer to message {message_id}, the back-end for the answer to its SHMEM_MAP or "
     "SHMEM_UNMAP, and neither has come[ for {got} ms]",
     "Answer SET_MEM_TABLE and ADD_MEM_REG without a lock that the sender of maps holds: QEMU tells the "
     "back-end "
     "of each mapping as memory, waits for its answer, and reads the next map only then."},
    {kSecondFrontend, kWarning, "SECOND_FRONTEND",
     "a second front-end has connected and waits, since a session is under way",
     "One device has one VMM. If the old VMM is gone, its connection ends and the waiting one is served; if "
     "it "
     "hangs, end it. Give each VM a relay entry of its own."},
    {kPairingLost, kError, "PAIRING_LOST",
     "an answer does not belong to the oldest request[: expected message {expected}, got {got}], so this "
     "session "
     "is not followed any more; its traffic goes on",
     "One of the two peers answers out of order, twice, or not at all. What is shown of mappings is of the "
     "time "
     "before; it is right again from the next connection on."},
    {kGuardRefused, kWarning, "GUARD_REFUSED",
     "message {message_id}[ for {len:x} bytes at {shm_offset}] was answered with an error by shmemd, since "
     "the "
     "device was not started",
     "Fix the back-end: it maps or unmaps while the device is stopped, which crashes QEMU 11.1.3. With "
     "guard: warn "
     "the request would have been passed on."},
    {kGuardDropped, kWarning, "GUARD_DROPPED",
     "message {message_id}[ for {len:x} bytes at {shm_offset}] did not ask for an answer and was dropped by "
     "shmemd, since the device was not started",
     "Fix the back-end: it maps or unmaps while the device is stopped, which crashes QEMU 11.1.3. It now "
     "believes "
     "in a mapping that does not exist: set NEED_REPLY, so that it learns of refusals."},
    {kCertificateUnreadable, kError, "CERTIFICATE_UNREADABLE",
     "a certificate, key or client CA cannot be used; new connections get those that were read before",
     "Put files in place that belong together and hold now: tls.certificate and tls.key by one rename or one "
     "swap of a link, in PEM, the key not encrypted and readable by shmemd. It looks again every "
     "tls.refresh."},
}};

constexpr bool IsInOrder() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<size_t>(kTable[i].code) != i) return false;
  }
  return true;
}
static_assert(IsInOrder());

constexpr FindingRow kUnknown{kMapMalformed, kWarning, "UNKNOWN", "a finding that this version does not know",
                              "Use the same version of shmemd and its clients."};

}  // namespace

const FindingRow& RowOf(FindingCode code) {
  const auto index = static_cast<size_t>(code);
  return index < kTable.size() ? kTable[index] : kUnknown;
}

}  // namespace shmemd::state
