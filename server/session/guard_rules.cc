#include "server/session/guard_rules.h"

#include <algorithm>

#include "server/session/tracker_options.h"

namespace shmemd::session {
namespace {

using enum state::FindingCode;

constexpr std::string_view kQemu = "QEMU 11.1.3";

constexpr GuardRule kRules[] = {
    {kMapWhenStopped, kQemu,
     "a SHMEM_MAP or SHMEM_UNMAP while the device is not started ends the VM: QEMU uses a device pointer "
     "that "
     "it sets at the start and clears at the stop (SIGSEGV)",
     false, true},
    {kReadOnlyNotEnforced, kQemu, "the guest can write to a mapping that was asked for read-only", false,
     false},
    {kMemoryTableFull, kQemu,
     "without CONFIGURE_MEM_SLOTS the memory table holds 8 regions: the map that does not fit is "
     "acknowledged "
     "all the same, and no memory table is sent from there on",
     false, false},
    {kEchoDeadlock, "QEMU 11.1.3 with vhost-device-media or another back-end that holds a lock",
     "the VMM waits for the answer to its memory table, the back-end for the answer to its map: the VM "
     "stands still",
     false, false},
    {kRegionSumNotPowerOfTwo, "QEMU 11.1.3, vhost-user-test-device-pci",
     "QEMU aborts while it creates the device", true, false},
    {kConfigReplyMalformed, kQemu,
     "a reply to GET_SHMEM_CONFIG that is longer than 2056 bytes or whose flags are not 0x5 aborts QEMU, "
     "also "
     "when a device is hot-plugged",
     true, false},
    {kConfigReplyTruncated, "rust-vmm vhost 0.17 and crosvm as front-end",
     "the front-end waits for the missing bytes forever", true, false},
    {kShmemBitMismatch, "QEMU 11.1 and all that follow the specification",
     "bits 20 and 21 are negotiated as what they mean today, and there is no shared memory", true, false},
    {kEmptyBacking, kQemu,
     "QEMU enlarges an empty file; if it cannot, it acknowledges the map all the same and the first access "
     "of the guest ends the VM (SIGBUS)",
     true, false},
    {kShrinkableBacking, "every VMM", "a file that is cut off behind a live mapping ends the VM (SIGBUS)",
     true, false},
    {kBeyondEof, "every VMM", "an access beyond the end of the file ends the VM (SIGBUS)", true, false},
    {kFdNotWritable, kQemu, "a descriptor that was opened read-only is refused, also for a read-only mapping",
     true, false},
    {kFdOffsetUnaligned, kQemu, "the map is refused", true, false},
};

}  // namespace

std::span<const GuardRule> GuardRules() { return kRules; }

const GuardRule* FindGuardRule(state::FindingCode code) {
  const auto* rule = std::find_if(std::begin(kRules), std::end(kRules),
                                  [&](const GuardRule& candidate) { return candidate.code == code; });
  return rule == std::end(kRules) ? nullptr : rule;
}

bool GuardShows(state::Guard guard, state::FindingCode code) {
  const GuardRule* rule = FindGuardRule(code);
  return rule == nullptr || rule->always_shown || guard != state::Guard::kOff;
}

bool GuardKeepsAway(state::Guard guard, state::FindingCode code) {
  const GuardRule* rule = FindGuardRule(code);
  return guard == state::Guard::kProtect && rule != nullptr && rule->kept_away;
}

bool EventWriter::Guards(state::FindingCode code) const { return GuardShows(options_.guard, code); }

}  // namespace shmemd::session
