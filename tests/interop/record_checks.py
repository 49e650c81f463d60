"""What the relay changes on the wire: nothing but the descriptor of SET_BACKEND_REQ_FD."""

import dataclasses
import itertools

from peers import CheckFailed, eventually, expect
from recorder import SET_BACKEND_REQ_FD, Message, Recording
from vm_bench import Stand, VmBench
from vm_checks import ACCEPTED, LIVE, REFUSED, agree

SET_MEM_TABLE, GET_SHMEM_CONFIG = 5, 44
SHMEM_MAP, SHMEM_UNMAP = 9, 10

Channels = dict[str, list[Message]]

# What the back-end does; before the last step the guest is stopped, continued and reset.
STORY = [*ACCEPTED, *REFUSED, LIVE[0]]

# How a difference between the two recordings is called, where the relay makes it on purpose.
SWAPPED = "main-1, frontend's message 4, id 21: descriptors"


def the_recorders_tell_what_differs(bench: VmBench) -> None:
    """With nothing between them there is no difference; with any tampering there is one."""
    near, far = record(bench)
    expect("differences", differences(near, far), [SWAPPED] if bench.relayed else [])
    ids = {(m.sender, m.id) for m in near["main-1"]}
    wanted = {("frontend", SET_BACKEND_REQ_FD), ("frontend", SET_MEM_TABLE), ("backend", GET_SHMEM_CONFIG)}
    expect("seen on the main channel", ids & wanted, wanted)
    requests = [m.id for m in near["backend-1"] if m.sender == "backend"]
    for request, word in ((SHMEM_MAP, "map"), (SHMEM_UNMAP, "unmap")):
        sent = sum(text.startswith(word) for text in STORY)
        expect(f"requests to {word}", requests.count(request), sent)
    as_it_is = len(differences(near, far))
    tampered = far["backend-1"][0]
    for change in (
        {"id": 10},
        {"flags": 1},
        {"payload": tampered.payload + b"\0"},
        {"payload": b"\xff" + tampered.payload[1:]},
        {"passed": ()},
        {"passed": tampered.passed * 2},
        {"passed": ((1, 2, 3),)},
    ):
        changed = far | {"backend-1": [dataclasses.replace(tampered, **change), *far["backend-1"][1:]]}
        expect(f"{change} makes a difference", len(differences(near, changed)) > as_it_is, True)
    lost = far | {"main-1": far["main-1"][:-1]}
    expect("a lost message makes a difference", len(differences(near, lost)) > as_it_is, True)


def two_runs_are_alike(bench: VmBench) -> None:
    """Else a relayed run could not be compared with a direct one."""
    first, second = record(bench)[0], record(bench)[0]
    expect("unlike", unlike(first, second), [])


def both_sides_of_the_relay_see_the_same(bench: VmBench) -> None:
    near, far = record(bench)
    expect("differences", differences(near, far), [SWAPPED])


def a_relayed_run_is_a_direct_run(bench: VmBench) -> None:
    relayed, _ = record(bench)
    direct, _ = record(dataclasses.replace(bench, relayed=False))
    expect("unlike", unlike(relayed, direct), [])


def a_question_of_ours_is_seen_by_the_backend_only(bench: VmBench) -> None:
    near, far = record(bench, "--query", "inject")
    direct, _ = record(dataclasses.replace(bench, relayed=False))
    expect("unlike next to the VMM", unlike(near, direct), [])
    ours = [m for m in far["main-1"] if m.id == GET_SHMEM_CONFIG][2:]
    shapes = [("frontend", GET_SHMEM_CONFIG, 1, 0, 0), ("backend", GET_SHMEM_CONFIG, 5, 2056, 0)]
    expect("our question and its answer", [m.shape for m in ours], shapes)
    others = [m for m in far["main-1"] if not any(m is one for one in ours)]
    expect("differences but for them", differences(near, far | {"main-1": others}), [SWAPPED])


def record(bench: VmBench, *relay: str) -> tuple[Channels, Channels]:
    """The same story each time; what was recorded next to QEMU, and next to the back-end."""
    with bench.stand(record=True, relay=relay) as stand:
        tell(stand, asking="inject" in relay)
        # Ends the connection, so that nothing is under way when the recordings are read.
        stand.vm.kill()
        stand.backend.next_line("front-end gone")
        return recorded(stand.frontend_side), recorded(stand.backend_side)


def tell(stand: Stand, asking: bool) -> None:
    driver = stand.vm.driver()
    driver.start()
    for text in STORY[:-1]:
        stand.backend.step(text)
    agree(stand)
    if asking and stand.shmemd:
        stand.shmemd.refresh()
    stand.vm.qmp.command("stop")
    stand.vm.qmp.command("cont")
    driver.reset()
    driver.start()
    stand.backend.accepts(STORY[-1])
    # QEMU answers before it sends the memory table that follows.
    eventually("info mtree", stand.in_vm, {(0, 0x10000, 0x10000)})


def recorded(recording: Recording | None) -> Channels:
    if recording is None:
        raise CheckFailed("nothing was recorded")
    return recording.channels()


def differences(near: Channels, far: Channels) -> list[str]:
    """Every difference between what one recorder passed on and what the other one received, both ways."""
    found = [f"channels {sorted(near)} and {sorted(far)}"] if sorted(near) != sorted(far) else []
    for channel in near.keys() & far.keys():
        for sender in ("frontend", "backend"):
            # Per sender: which of two messages that cross each other comes first differs from place to place.
            pair = [[m for m in side[channel] if m.sender == sender] for side in (near, far)]
            source, sink = pair if sender == "frontend" else reversed(pair)
            where = f"{channel}, {sender}'s message"
            here = [
                f"{where} {number}, id {sent.id}: {what}"
                for number, (sent, arrived) in enumerate(zip(source, sink, strict=False))
                for what in differing(sent, arrived)
            ]
            if len(source) != len(sink):
                # All behind the one that is missing differ.
                here = [f"{where}s: {len(source)} sent, {len(sink)} arrived", *here[:1]]
            found += here
    return found


def differing(sent: Message, arrived: Message) -> list[str]:
    values = {
        "id": (sent.id, arrived.id),
        "flags": (sent.flags, arrived.flags),
        "bytes": (sent.payload, arrived.payload),
        "descriptors": (sent.passed, arrived.received),
    }
    return [what for what, (one, other) in values.items() if one != other]


def unlike(one: Channels, other: Channels) -> list[str]:
    """Where two runs differ in sender, id, flags, size or number of descriptors, channel by channel."""
    found = [f"channels {sorted(one)} and {sorted(other)}"] if sorted(one) != sorted(other) else []
    for channel in one.keys() & other.keys():
        pairs = itertools.zip_longest(one[channel], other[channel])
        found += [
            f"{channel}, message {number}: '{first}', '{second}'"
            for number, (first, second) in enumerate(pairs)
            if not (first and second and first.shape == second.shape)
        ]
    return found


CHECKS = [the_recorders_tell_what_differs, two_runs_are_alike]
RELAY_CHECKS = [
    both_sides_of_the_relay_see_the_same,
    a_relayed_run_is_a_direct_run,
    a_question_of_ours_is_seen_by_the_backend_only,
]
