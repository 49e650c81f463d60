#include "tests/peers/step_runner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tests/peers/shmem_request.h"
#include "tests/peers/units.h"

namespace shmemd::peers {
namespace {

constexpr uint64_t kFallbackFileBytes = uint64_t{1} << 20;
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 40;

// As large as the request needs, in whole pages; a request that makes no sense gets a small file.
uint64_t FileBytes(const ShmemRequest& request) {
  if (request.file_size_bytes) return *request.file_size_bytes;
  if (request.fd_offset > kMaxFileBytes || request.len > kMaxFileBytes) return kFallbackFileBytes;
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return (request.fd_offset + request.len + page - 1) / page * page;
}

}  // namespace

bool StepRunner::IsConnected() const { return !session_->IsOver() && session_->backend_.is_open(); }

bool StepRunner::HasLostMappings() const {
  return session_->HasDevice() && session_->responder_.device().resets() != resets_;
}

bool StepRunner::RunScript(const std::vector<Step>& steps) {
  if (!mapped_files_.empty()) session_->transcript_->Add("the device was reset: its mappings are gone");
  resets_ = session_->responder_.device().resets();
  mapped_files_.clear();
  return RunAll(steps);
}

void StepRunner::AwaitDevice() {
  while (CanGoOn() && session_->IsPaused()) session_->Pump(std::nullopt);
}

bool StepRunner::RunAll(const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    if (!CanGoOn()) break;
    Run(step);
  }
  SettleAll();
  return CanGoOn();
}

StepAnswer StepRunner::Run(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kMap:
    case Step::Kind::kUnmap:
      return Exchange(step.kind, step.request);
    case Step::Kind::kWait:
      Wait(step.wait);
      break;
    case Step::Kind::kRepeat:
      Repeat(step);
      break;
    case Step::Kind::kTruncate:
      Truncate(step.request);
      break;
    case Step::Kind::kRaw:
      session_->transcript_->Add("raw " + std::to_string(step.raw.size()) + " bytes");
      session_->backend_.Send(step.raw);
      break;
    case Step::Kind::kCloseChannel:
      session_->transcript_->Add("close the back-end channel");
      session_->backend_.Close("closed by the script");
      break;
    case Step::Kind::kDisconnect:
      session_->transcript_->Add("disconnect");
      session_->main_.Close("closed by the script");
      break;
  }
  return std::nullopt;
}

void StepRunner::Wait(std::chrono::milliseconds duration) {
  const auto end = Session::Clock::now() + duration;
  while (CanGoOn() && Session::Clock::now() < end) {
    session_->Pump(end, /*with_posted=*/true);
    session_->RunPosted(*this);
  }
}

void StepRunner::Repeat(const Step& step) {
  for (uint64_t round = 0; !step.times || round < *step.times; ++round) {
    if (!RunAll(step.steps)) return;
    session_->Pump(Session::Clock::now());  // a loop without waits still answers, and can be stopped
  }
}

void StepRunner::Truncate(const ShmemRequest& request) {
  std::string line = "truncate shmid " + std::to_string(request.shmid) + " shm_offset " +
                     Hex(request.shm_offset) + " to " + Hex(request.len);
  const auto found = mapped_files_.find({request.shmid, request.shm_offset});
  if (found == mapped_files_.end()) {
    session_->transcript_->AddUnexpected(line + " -> no mapping there");
    return;
  }
  const int result = ::ftruncate(found->second.get(), static_cast<off_t>(request.len));
  line += std::string(" -> ") + (result == 0 ? "0" : std::strerror(errno));
  session_->transcript_->Add(line);
}

Fd StepRunner::OpenNamedFile(const ShmemRequest& request, BackingKind kind, uint64_t size_bytes) {
  Fd& file = named_files_[request.file];
  if (!file) file = MakeBacking(kind, size_bytes);
  struct stat facts {};
  if (file && ::fstat(file.get(), &facts) == 0 && static_cast<uint64_t>(facts.st_size) < size_bytes &&
      ::ftruncate(file.get(), static_cast<off_t>(size_bytes)) != 0) {
    return Fd();
  }
  return Fd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
}

Fd StepRunner::OpenFile(const ShmemRequest& request) {
  const BackingKind kind = request.backing.value_or(session_->script_->backing);
  if (!request.file.empty()) return OpenNamedFile(request, kind, FileBytes(request));
  return MakeBacking(kind, FileBytes(request));
}

void StepRunner::Remember(Step::Kind kind, const ShmemRequest& request, Fd file) {
  DeviceWatch& device = session_->responder_.device();
  Fd& mapped = mapped_files_[{request.shmid, request.shm_offset}];
  if (mapped) device.MappingEnded(mapped.get());
  if (kind == Step::Kind::kMap) {
    if (file) device.MappingBegan(file.get());
    mapped = std::move(file);
  } else {
    mapped_files_.erase({request.shmid, request.shm_offset});
  }
}

void StepRunner::DropStrayAnswers() {
  for (const Message& answer : session_->answers_) {
    session_->transcript_->AddUnexpected("answer id " + std::to_string(answer.request) + " to no request");
  }
  session_->answers_.clear();
}

StepAnswer StepRunner::AwaitAck(uint32_t request_id) {
  const auto deadline = Session::Clock::now() + session_->script_->ack_timeout;
  while (IsConnected() && session_->answers_.empty() && Session::Clock::now() < deadline) {
    session_->Pump(deadline);
  }
  if (session_->answers_.empty()) return std::nullopt;
  const Message ack = std::move(session_->answers_.front());
  session_->answers_.pop_front();
  const bool is_sound = ack.request == request_id && ack.flags == kReplyFlags &&
                        ack.payload.size() == sizeof(uint64_t) && ack.fds.empty();
  if (is_sound) return Get<uint64_t>(ack.payload, 0);
  session_->transcript_->AddUnexpected("answer id " + std::to_string(ack.request) + " flags " +
                                       Hex(ack.flags) + " with " + std::to_string(ack.payload.size()) +
                                       " bytes and " + std::to_string(ack.fds.size()) +
                                       " fds, expected the ack of id " + std::to_string(request_id));
  return std::nullopt;
}

void StepRunner::Report(const std::string& line, const ShmemRequest& request, StepAnswer answer) {
  const std::string expected = ", expected " + DescribeExpectation(request.expect);
  if (answer && IsMet(request.expect, *answer)) {
    session_->transcript_->Add(line + " -> " + DescribeAnswer(*answer));
  } else if (answer) {
    session_->transcript_->AddUnexpected(line + " -> " + DescribeAnswer(*answer) + expected);
  } else if (!IsConnected()) {
    session_->transcript_->Add(line + " -> no answer, the front-end is gone");
  } else if (request.expect.kind == Expectation::Kind::kAny) {
    session_->transcript_->Add(line + " -> no answer");
  } else {
    session_->transcript_->AddUnexpected(line + " -> no answer" + expected);
  }
}

StepAnswer StepRunner::SettleOldest() {
  Pending oldest = std::move(pending_.front());
  pending_.pop_front();
  const StepAnswer answer = AwaitAck(RequestId(oldest.kind, oldest.request));
  Report(Describe(oldest.kind, oldest.request), oldest.request, answer);
  if (answer == StepAnswer(0)) Remember(oldest.kind, oldest.request, std::move(oldest.file));
  return answer;
}

StepAnswer StepRunner::SettleAll() {
  StepAnswer last;
  while (!pending_.empty()) last = SettleOldest();
  return last;
}

StepAnswer StepRunner::Exchange(Step::Kind kind, const ShmemRequest& request) {
  const std::string line = Describe(kind, request);
  AwaitDevice();
  if (session_->IsOver() || HasLostMappings()) return std::nullopt;
  if (!IsConnected()) {
    session_->transcript_->AddUnexpected(line + " -> no back-end channel");
    return std::nullopt;
  }
  Fd file = request.fd_count > 0 ? OpenFile(request) : Fd();
  if (request.fd_count > 0 && !file) {
    session_->transcript_->AddUnexpected(line + " -> no file: " + std::strerror(errno));
    return std::nullopt;
  }
  if (pending_.empty()) DropStrayAnswers();
  const bool is_asked = request.need_reply && session_->responder_.has_reply_ack();
  const std::vector<int> fds(request.fd_count, file.get());
  session_->backend_.Send(EncodeShmemRequest(kind, request, is_asked), fds, request.piece_bytes);
  if (!is_asked) {
    session_->transcript_->Add(line + " -> not asked");
    Remember(kind, request, std::move(file));
    return std::nullopt;
  }
  pending_.push_back({kind, request, std::move(file)});
  return request.wait_for_ack ? SettleAll() : std::nullopt;
}

}  // namespace shmemd::peers
