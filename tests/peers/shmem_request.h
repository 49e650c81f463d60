// The bytes of a SHMEM_MAP or SHMEM_UNMAP, right or wrong as the script wants it, and its line in the
// transcript.
#pragma once

#include <string>

#include "tests/peers/script.h"
#include "tests/peers/wire.h"

namespace shmemd::peers {

uint32_t RequestId(Step::Kind kind, const ShmemRequest& request);

// Header and payload of `kind` (kMap or kUnmap). `need_reply` sets the flag.
Bytes EncodeShmemRequest(Step::Kind kind, const ShmemRequest& request, bool need_reply);

// `map shmid 0 shm_offset 0x0 len 0x10000 rw`; fd_offset, flags and fd count only where they are unusual.
std::string Describe(Step::Kind kind, const ShmemRequest& request);

// `0`, `-22 EINVAL`, `1`.
std::string DescribeAnswer(uint64_t answer);

bool IsMet(const Expectation& expectation, uint64_t answer);
std::string DescribeExpectation(const Expectation& expectation);

}  // namespace shmemd::peers
