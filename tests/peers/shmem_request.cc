#include "tests/peers/shmem_request.h"

#include "tests/peers/units.h"

namespace shmemd::peers {
namespace {

constexpr size_t kPaddingBytes = 7;
constexpr int64_t kMaxErrno = 4095;

}  // namespace

uint32_t RequestId(Step::Kind kind, const ShmemRequest& request) {
  return request.request_id.value_or(kind == Step::Kind::kMap ? kShmemMap : kShmemUnmap);
}

Bytes EncodeShmemRequest(Step::Kind kind, const ShmemRequest& request, bool need_reply) {
  Bytes payload;
  Put<uint8_t>(payload, request.shmid);
  payload.insert(payload.end(), kPaddingBytes, request.padding);
  Put<uint64_t>(payload, request.fd_offset);
  Put<uint64_t>(payload, request.shm_offset);
  Put<uint64_t>(payload, request.len);
  Put<uint64_t>(payload, request.flags);
  if (request.payload_bytes) payload.resize(*request.payload_bytes);
  const uint32_t flags = kVersion | (need_reply ? kNeedReplyFlag : 0) | request.header_flags;
  Bytes bytes = EncodeMessage(RequestId(kind, request), flags, payload);
  if (request.header_size) std::memcpy(bytes.data() + 8, &*request.header_size, sizeof(uint32_t));
  return bytes;
}

std::string Describe(Step::Kind kind, const ShmemRequest& request) {
  const bool is_map = kind == Step::Kind::kMap;
  std::string text = is_map ? "map" : "unmap";
  text += " shmid " + std::to_string(request.shmid) + " shm_offset " + Hex(request.shm_offset);
  text += " len " + Hex(request.len);
  if (is_map) text += (request.flags & 1) != 0 ? " rw" : " ro";
  if (is_map && request.fd_offset != 0) text += " fd_offset " + Hex(request.fd_offset);
  if ((request.flags & ~uint64_t{1}) != 0) text += " flags " + Hex(request.flags);
  if (request.fd_count != (is_map ? 1 : 0)) text += " fds " + std::to_string(request.fd_count);
  if (request.request_id) text += " request " + std::to_string(*request.request_id);
  if (request.header_flags != 0) text += " header_flags " + Hex(request.header_flags);
  if (request.header_size) text += " header_size " + Hex(*request.header_size);
  if (request.payload_bytes) text += " payload_bytes " + std::to_string(*request.payload_bytes);
  return text;
}

std::string DescribeAnswer(uint64_t answer) {
  const auto value = static_cast<int64_t>(answer);
  std::string text = std::to_string(value);
  if (value >= 0 || value < -kMaxErrno) return text;
  const std::string name = ErrnoName(static_cast<int>(-value));
  if (!name.empty()) text += " " + name;
  return text;
}

bool IsMet(const Expectation& expectation, uint64_t answer) {
  switch (expectation.kind) {
    case Expectation::Kind::kOk:
      return answer == 0;
    case Expectation::Kind::kFail:
      return answer != 0;
    case Expectation::Kind::kErrno:
      return static_cast<int64_t>(answer) == -int64_t{expectation.error};
    case Expectation::Kind::kAny:
      return true;
  }
  return false;
}

std::string DescribeExpectation(const Expectation& expectation) {
  switch (expectation.kind) {
    case Expectation::Kind::kOk:
      return "0";
    case Expectation::Kind::kFail:
      return "a failure";
    case Expectation::Kind::kErrno:
      return DescribeAnswer(static_cast<uint64_t>(-int64_t{expectation.error}));
    case Expectation::Kind::kAny:
      return "anything";
  }
  return "";
}

}  // namespace shmemd::peers
