#include "tests/relay/random_flow.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstring>

namespace shmemd::relay {
namespace {

constexpr size_t kFiles = 32;
constexpr size_t kBatch = 6;
constexpr uint64_t kFrontendIds = 44;
constexpr std::array<uint32_t, 8> kCrosvmIds = {1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007};
constexpr uint64_t kBackendIds = 12;

// Bytes to take payloads from.
const Bytes& Noise() {
  static const Bytes* const noise = [] {
    auto* bytes = new Bytes(size_t{1} << 20);
    Random random(1);
    for (uint8_t& byte : *bytes) byte = static_cast<uint8_t>(random.Next());
    return bytes;
  }();
  return *noise;
}

}  // namespace

uint64_t Random::Next() {
  state_ += 0x9e3779b97f4a7c15;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

RandomFiles::RandomFiles() {
  for (size_t i = 0; i < kFiles; ++i) {
    files_.push_back(Memfd());
    inodes_.push_back(Inode(files_.back().get()));
  }
}

MessageStream::MessageStream(uint64_t seed, vhost::Channel channel, size_t file_count)
    : random_(seed), channel_(channel), file_count_(file_count) {}

size_t MessageStream::PayloadBytes() {
  if (random_.OneIn(1000)) return random_.Below(70'000);
  if (random_.OneIn(100)) return Journal::kBufferBytes - vhost::kHeaderBytes - 4 + random_.Below(8);
  const std::vector<uint64_t> limits = {9, 65, 65, 513, 4097};
  return random_.Below(random_.OneOf(limits));
}

size_t MessageStream::FdCount() {
  if (random_.OneIn(2000)) return net::kMaxFdsPerMessage;
  return random_.OneIn(6) ? 1 + random_.Below(3) : 0;
}

MessageStream::Next MessageStream::Make() {
  uint32_t id = 0;
  if (channel_ == vhost::Channel::kMain) {
    id = static_cast<uint32_t>(1 + random_.Below(kFrontendIds));
  } else {
    const uint64_t which = random_.Below(kBackendIds + kCrosvmIds.size());
    id = which < kBackendIds ? static_cast<uint32_t>(which + 1) : kCrosvmIds[which - kBackendIds];
  }
  const std::vector<uint32_t> flags = {0x1, 0x9, 0x5, 0x1, 0x9, 0xd, 0x0, 0xfffffff2};
  Next next;
  next.bytes = Message(id, random_.OneOf(flags), PayloadBytes());
  const size_t payload_bytes = next.bytes.size() - vhost::kHeaderBytes;
  uint8_t* payload = next.bytes.data() + vhost::kHeaderBytes;
  std::memcpy(payload, Noise().data() + random_.Below(Noise().size() - payload_bytes), payload_bytes);
  ++number_;
  std::memcpy(payload, &number_, std::min(payload_bytes, sizeof(number_)));
  for (size_t i = FdCount(); i > 0; --i) next.files.push_back(random_.Below(file_count_));
  return next;
}

RandomFlow::RandomFlow(uint64_t seed, vhost::Channel channel, Ends ends, const RandomFiles& files,
                       uint64_t count)
    : sent_(seed, channel, files.size()),
      expected_stream_(seed, channel, files.size()),
      random_(seed + 1),
      ends_(ends),
      files_(files),
      count_(count) {}

bool RandomFlow::Pauses(uint64_t& pause) {
  if (pause > 0) {
    --pause;
    return true;
  }
  if (random_.OneIn(300)) pause = random_.Below(random_.OneIn(10) ? 3000 : 200);
  return false;
}

void RandomFlow::MakeMore() {
  if (written_ < out_.size()) return;
  out_.clear();
  written_ = 0;
  starts_.clear();
  ends_of_messages_.clear();
  for (size_t i = 1 + random_.Below(kBatch); i > 0 && made_ < count_; --i, ++made_) {
    MessageStream::Next next = sent_.Make();
    if (!next.files.empty()) starts_.push_back({out_.size(), std::move(next.files)});
    out_.insert(out_.end(), next.bytes.begin(), next.bytes.end());
    ends_of_messages_.push_back(out_.size());
  }
}

// Descriptors go with the first byte of their message, so a message that has some begins a write of its own.
size_t RandomFlow::WriteBytes() {
  size_t limit = out_.size();
  for (const Start& start : starts_) {
    if (start.offset <= written_) continue;
    limit = start.offset;
    break;
  }
  const size_t most = limit - written_;
  switch (random_.Below(4)) {
    case 0:
      return 1 + random_.Below(most);
    case 1:
      return most;
    default:
      return *std::upper_bound(ends_of_messages_.begin(), ends_of_messages_.end(), written_) - written_;
  }
}

bool RandomFlow::Write() {
  if (Pauses(write_pause_)) return true;
  MakeMore();
  if (written_ == out_.size()) return true;
  std::vector<int> fds;
  if (!starts_.empty() && starts_.front().offset == written_) {
    for (const size_t file : starts_.front().files) fds.push_back(files_.fd(file));
  }
  const auto part = std::span<const uint8_t>(out_).subspan(written_, WriteBytes());
  const net::IoResult result = net::Send(ends_.writer, part, fds);
  if (result.status == net::IoStatus::kWouldBlock) return true;
  if (result.status != net::IoStatus::kDone) return false;
  written_ += result.bytes;
  bytes_written_ += result.bytes;
  while (!starts_.empty() && starts_.front().offset < written_) starts_.pop_front();
  return true;
}

bool RandomFlow::Read() {
  if (ended_ || !wrong_.empty()) return false;
  if (Pauses(read_pause_)) return true;
  if (got_ == 0 && read_ < count_ && expected_.bytes.empty()) expected_ = expected_stream_.Make();
  const size_t total = read_ < count_ ? expected_.bytes.size() : 1;
  const size_t left =
      got_ < vhost::kHeaderBytes ? std::min<size_t>(total, vhost::kHeaderBytes) - got_ : total - got_;
  Bytes got(random_.OneIn(8) ? 1 + random_.Below(left) : left);
  std::vector<base::UniqueFd> fds;
  const net::IoResult result = net::Receive(ends_.reader, got, fds);
  if (result.status == net::IoStatus::kWouldBlock) return true;
  if (result.status != net::IoStatus::kDone) {
    ended_ = true;
    end_error_ = result.error_number;
    return false;
  }
  got.resize(result.bytes);
  bytes_read_ += result.bytes;
  if (result.fds_lost) Wrong("descriptors lost");
  CheckBytes(got, fds);
  return wrong_.empty();
}

void RandomFlow::CheckBytes(const Bytes& got, const std::vector<base::UniqueFd>& fds) {
  if (read_ == count_) return Wrong("a byte behind the last message");
  if (!std::equal(got.begin(), got.end(), expected_.bytes.begin() + static_cast<std::ptrdiff_t>(got_)))
    return Wrong("other bytes");
  const size_t expected_fds = got_ == 0 ? expected_.files.size() : 0;
  if (fds.size() != expected_fds)
    return Wrong(absl::StrCat(fds.size(), " descriptors at byte ", got_, ", expected ", expected_fds));
  for (size_t i = 0; i < fds.size(); ++i) {
    if (Inode(fds[i].get()) != files_.inode(expected_.files[i])) return Wrong("a descriptor of another file");
  }
  got_ += got.size();
  if (got_ < expected_.bytes.size()) return;
  got_ = 0;
  expected_.bytes.clear();
  ++read_;
}

void RandomFlow::Wrong(const std::string& what) {
  wrong_ = absl::StrCat("message ", read_, ", ", expected_.bytes.size(), " bytes, ", expected_.files.size(),
                        " descriptors, at byte ", got_, ": ", what);
}

}  // namespace shmemd::relay
