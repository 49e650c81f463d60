"""A VIRTIO driver outside of the guest: what firmware and driver do to a virtio-pci device, over qtest.

It gives every BAR the same address each time, so that two runs can be compared byte by byte.
"""

import struct
from dataclasses import dataclass

from peers import CheckFailed, expect
from qtest import QTest

VENDOR = 0x1AF4
MODERN_DEVICE_ID = 0x1040
COMMAND_REGISTER, BAR_REGISTER, CAPABILITIES_REGISTER = 0x04, 0x10, 0x34
BUS_MASTER, MEMORY_AND_BUS_MASTER = 0x4, 0x6
VENDOR_CAPABILITY = 0x09
COMMON_CFG, SHARED_MEMORY_CFG = 1, 8

ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK = 1, 2, 4, 8
VERSION_1 = 1 << 32

# Above the RAM of any VM here, below what a 40 bit bus ends at.
FIRST_BAR_ADDRESS = 0x10_0000_0000
FIRST_RING_ADDRESS = 0x200_0000
RING_BYTES = 0x10000


@dataclass(frozen=True)
class Capability:
    kind: int
    bar: int
    id: int
    offset: int
    length: int


class Register:
    """Fields of the common configuration structure: (offset, width)."""

    DEVICE_FEATURE_SELECT, DEVICE_FEATURE = (0, 4), (4, 4)
    DRIVER_FEATURE_SELECT, DRIVER_FEATURE = (8, 4), (12, 4)
    NUM_QUEUES, STATUS = (18, 2), (20, 1)
    QUEUE_SELECT, QUEUE_SIZE, QUEUE_ENABLE = (22, 2), (24, 2), (28, 2)
    QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE = (32, 8), (40, 8), (48, 8)


class VirtioPci:
    """The first virtio device on bus 0. After a reset of the machine, enumerate() it again."""

    def __init__(self, qtest: QTest):
        self._qtest = qtest
        self._slot = self._find()
        self._bars: dict[int, int] = {}
        self.capabilities = self._read_capabilities()
        self.enumerate()

    def enumerate(self) -> None:
        """What the firmware does: an address for every BAR, then decoding and bus mastering."""
        self.decode(False)
        address, index = FIRST_BAR_ADDRESS, 0
        while index < 6:
            size, wide = self._bar_size(index)
            if size:
                address = -(-address // size) * size
                self._place(index, address if wide else 0xE000_0000 + index * 0x100_0000)
                address += size if wide else 0
            index += 2 if wide else 1
        self.decode(True)

    def decode(self, on: bool) -> None:
        """Whether the device answers at the addresses of its BARs. It may be a bus master all the time."""
        self._qtest.pci_store(self._slot, COMMAND_REGISTER, MEMORY_AND_BUS_MASTER if on else BUS_MASTER)

    def start(self) -> None:
        """From reset to DRIVER_OK, with every queue set up and empty."""
        self.set_status(0)
        self.set_status(ACKNOWLEDGE)
        self.set_status(ACKNOWLEDGE | DRIVER)
        self._negotiate()
        for queue in range(self._get(Register.NUM_QUEUES)):
            self._set_up(queue)
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)

    def reset(self) -> None:
        self.set_status(0)

    def status(self) -> int:
        return self._get(Register.STATUS)

    def set_status(self, status: int) -> None:
        self._set(Register.STATUS, status)

    def shared_memory(self) -> dict[int, int]:
        """{shmid: size} as the capabilities tell the guest."""
        return {found.id: found.length for found in self.capabilities if found.kind == SHARED_MEMORY_CFG}

    def window(self, shmid: int) -> int:
        """Guest address of a shared memory region."""
        for found in self.capabilities:
            if (found.kind, found.id) == (SHARED_MEMORY_CFG, shmid):
                return self._bars[found.bar] + found.offset
        raise CheckFailed(f"the device has no capability for shared memory region {shmid}")

    def read(self, shmid: int, offset: int, size: int) -> bytes:
        return self._qtest.read(self.window(shmid) + offset, size)

    def write(self, shmid: int, offset: int, data: bytes) -> None:
        self._qtest.write(self.window(shmid) + offset, data)

    def _find(self) -> int:
        for slot in range(32):
            identity = self._qtest.pci_load(slot, 0)
            if identity & 0xFFFF == VENDOR and identity >> 16 >= MODERN_DEVICE_ID:
                return slot
        raise CheckFailed("there is no virtio device on PCI bus 0")

    def _config(self, offset: int, size: int) -> bytes:
        first, end = offset & ~3, offset + size
        words = [self._qtest.pci_load(self._slot, at) for at in range(first, end, 4)]
        return struct.pack(f"<{len(words)}I", *words)[offset - first : end - first]

    def _read_capabilities(self) -> list[Capability]:
        found, at = [], self._config(CAPABILITIES_REGISTER, 1)[0]
        while at:
            head = self._config(at, 16)
            if head[0] == VENDOR_CAPABILITY:
                kind, bar, identity = head[3:6]
                offset, length = struct.unpack("<II", head[8:16])
                if kind == SHARED_MEMORY_CFG:
                    offset_high, length_high = struct.unpack("<II", self._config(at + 16, 8))
                    offset, length = offset_high << 32 | offset, length_high << 32 | length
                found.append(Capability(kind, bar, identity, offset, length))
            at = head[1]
        return found

    def _bar_size(self, index: int) -> tuple[int, bool]:
        """(bytes, 64 bits wide); 0 bytes for a BAR that is not there or that is an I/O port."""
        register = BAR_REGISTER + 4 * index
        kind = self._qtest.pci_load(self._slot, register)
        wide = kind & 7 == 4
        for at in range(register, register + (8 if wide else 4), 4):
            self._qtest.pci_store(self._slot, at, 0xFFFF_FFFF)
        low = self._qtest.pci_load(self._slot, register) & ~0xF
        high = self._qtest.pci_load(self._slot, register + 4) if wide else 0xFFFF_FFFF
        if kind & 1 or not low and not wide:
            return 0, False
        return -(high << 32 | low) & 0xFFFF_FFFF_FFFF_FFFF, wide

    def _place(self, index: int, address: int) -> None:
        register = BAR_REGISTER + 4 * index
        self._qtest.pci_store(self._slot, register, address & 0xFFFF_FFFF)
        if address >> 32:
            self._qtest.pci_store(self._slot, register + 4, address >> 32)
        self._bars[index] = address

    def _common(self) -> int:
        common = next(found for found in self.capabilities if found.kind == COMMON_CFG)
        return self._bars[common.bar] + common.offset

    def _get(self, register: tuple[int, int]) -> int:
        return self._qtest.load(self._common() + register[0], register[1])

    def _set(self, register: tuple[int, int], value: int) -> None:
        self._qtest.store(self._common() + register[0], register[1], value)

    def _negotiate(self) -> None:
        """VERSION_1 and nothing else."""
        for half in (0, 1):
            wanted = VERSION_1 >> 32 * half & 0xFFFF_FFFF
            self._set(Register.DEVICE_FEATURE_SELECT, half)
            expect(
                f"offered of feature bits {wanted:#x}", self._get(Register.DEVICE_FEATURE) & wanted, wanted
            )
            self._set(Register.DRIVER_FEATURE_SELECT, half)
            self._set(Register.DRIVER_FEATURE, wanted)
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK)
        expect("FEATURES_OK", self.status() & FEATURES_OK, FEATURES_OK)

    def _set_up(self, queue: int) -> None:
        rings = FIRST_RING_ADDRESS + queue * RING_BYTES
        self._set(Register.QUEUE_SELECT, queue)
        self._qtest.write(rings, bytes(RING_BYTES // 4))
        self._set(Register.QUEUE_DESC, rings)
        self._set(Register.QUEUE_DRIVER, rings + 0x1000)
        self._set(Register.QUEUE_DEVICE, rings + 0x2000)
        self._set(Register.QUEUE_ENABLE, 1)
