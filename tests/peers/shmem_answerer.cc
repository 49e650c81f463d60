#include "tests/peers/shmem_answerer.h"

#include <cerrno>
#include <thread>

#include "tests/peers/backing.h"
#include "tests/peers/shmem_request.h"
#include "tests/peers/units.h"

namespace shmemd::peers {
namespace {

constexpr size_t kGarbageBytes = 64;

std::string Describe(const Message& message, const VmmRange& range) {
  if (message.request != kShmemMap && message.request != kShmemUnmap) {
    return "back-end request " + std::to_string(message.request);
  }
  ShmemRequest request;
  request.shmid = range.shmid;
  request.shm_offset = range.shm_offset;
  request.len = range.len;
  request.fd_offset = range.fd_offset;
  request.flags = range.flags;
  request.fd_count = message.fds.size();
  return Describe(message.request == kShmemMap ? Step::Kind::kMap : Step::Kind::kUnmap, request);
}

uint64_t ValueOf(int error, VmmAnswers::Errors errors) {
  if (error == 0) return 0;
  return errors == VmmAnswers::Errors::kOne ? 1 : static_cast<uint64_t>(-int64_t{error});
}

}  // namespace

ShmemAnswerer::Outcome ShmemAnswerer::Carry(Message& message) {
  const VmmRange range = VmmRange::Of(message.payload);
  const bool is_map = message.request == kShmemMap;
  if (answers_->is_strict_about_fds && message.fds.size() != (is_map ? 1 : 0)) return {EINVAL, false, false};
  Outcome outcome;
  if (is_map) {
    Fd file = message.fds.empty() ? Fd() : std::move(message.fds.front());
    outcome.error = window_->Map(range, std::move(file));
  } else if (message.request == kShmemUnmap) {
    outcome.error = window_->Unmap(range, answers_->unmap);
  } else {
    outcome.error = ENOSYS;
  }
  outcome.is_window_changed = outcome.error == 0;
  return outcome;
}

Bytes ShmemAnswerer::Encode(const Message& message, int error) const {
  if (answers_->is_garbage) return Bytes(kGarbageBytes, 0xa5);
  const uint32_t flags = (message.flags & ~kNeedReplyFlag) | kReplyFlag;
  Bytes answer = EncodeMessage(message.request + answers_->id_offset, flags,
                               U64Payload(ValueOf(error, answers_->errors)));
  if (answers_->is_cut) answer.resize(answer.size() / 2);
  return answer;
}

void ShmemAnswerer::SendOne(const Bytes& answer, Channel& channel) {
  const Fd file = answers_->fd_count > 0 ? MakeBacking(BackingKind::kMemfd, 4096) : Fd();
  channel.Send(answer, std::vector<int>(answers_->fd_count, file.get()), answers_->piece_bytes);
}

void ShmemAnswerer::Answer(const Message& message, int error, Channel& channel) {
  if (answers_->delay.count() > 0) std::this_thread::sleep_for(answers_->delay);
  held_.push_back(Encode(message, error));
  if (answers_->is_reversed && held_.size() < 2) return;
  for (; !held_.empty(); held_.pop_back()) {
    for (size_t i = 0; i < answers_->copies; ++i) SendOne(held_.back(), channel);
  }
  if (answers_->is_cut) channel.Close("the script wants it so");
}

bool ShmemAnswerer::Handle(Message message, bool has_reply_ack, Channel& channel) {
  const std::string line = Describe(message, VmmRange::Of(message.payload));
  const Outcome outcome = Carry(message);
  const bool is_asked =
      (message.flags & kNeedReplyFlag) != 0 && (has_reply_ack || !answers_->needs_reply_ack);
  const uint64_t value = ValueOf(outcome.error, answers_->errors);
  transcript_->Add(line + " -> " + DescribeAnswer(value) + (is_asked ? "" : ", not asked"));
  if (outcome.is_answered && (is_asked || answers_->always)) Answer(message, outcome.error, channel);
  const bool is_failed_map = message.request == kShmemMap && outcome.error != 0;
  if (is_failed_map && answers_->closes_after_failure) channel.Close("a map failed");
  return outcome.is_window_changed;
}

}  // namespace shmemd::peers
