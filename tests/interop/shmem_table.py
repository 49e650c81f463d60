"""The rules by which shmemd, as a front-end, answers SHMEM_MAP and SHMEM_UNMAP: the oracle of the checks.

Shares nothing with server/, so that the two cannot share a mistake.
"""

import errno
from dataclasses import dataclass

PAGE_BYTES = 4096
MAX_U64 = (1 << 64) - 1


@dataclass(frozen=True)
class Mapping:
    shmid: int
    shm_offset: int
    length: int
    fd_offset: int = 0
    writable: bool = True

    def end(self) -> int:
        """First byte that another mapping may use: a mapping takes whole pages."""
        return -(-(self.shm_offset + self.length) // PAGE_BYTES) * PAGE_BYTES


class ShmemTable:
    def __init__(self, sizes: dict[int, int]):
        self.sizes = dict(sizes)
        self.mappings: dict[tuple[int, int], Mapping] = {}

    def map(self, request: Mapping) -> int:
        """Returns 0 or an errno; on 0 the mapping is in the table."""
        if not self._in_range(request):
            return errno.EINVAL
        if request.shm_offset % PAGE_BYTES or request.fd_offset % PAGE_BYTES:
            return errno.EINVAL
        if any(self._overlap(request, other) for other in self.mappings.values()):
            return errno.EEXIST
        self.mappings[request.shmid, request.shm_offset] = request
        return 0

    def unmap(self, request: Mapping) -> int:
        """Returns 0 or an errno. Only the exact range of a mapping goes; fd_offset and flags do not count."""
        found = self.mappings.get((request.shmid, request.shm_offset))
        if found is None or found.length != request.length:
            return errno.EINVAL
        del self.mappings[request.shmid, request.shm_offset]
        return 0

    def mapped_bytes(self, shmid: int) -> int:
        return sum(mapping.length for mapping in self.mappings.values() if mapping.shmid == shmid)

    def _in_range(self, request: Mapping) -> bool:
        end = request.shm_offset + request.length
        return (
            request.length > 0
            and end <= MAX_U64
            and request.fd_offset + request.length <= MAX_U64
            and end <= self.sizes.get(request.shmid, 0)
        )

    @staticmethod
    def _overlap(one: Mapping, other: Mapping) -> bool:
        return one.shmid == other.shmid and one.shm_offset < other.end() and other.shm_offset < one.end()
