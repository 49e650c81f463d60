#include "server/relay/pump.h"

#include <gmock/gmock.h>

#include <cstring>
#include <deque>

#include "tests/relay/socket_pairs.h"

namespace shmemd::relay {
namespace {

using session::Verdict;
using testing::ElementsAre;
using testing::IsEmpty;

class RecordingObserver final : public PumpObserver {
 public:
  Verdict Judge(const session::PassingMessage&, std::vector<base::UniqueFd>&) override {
    ++judged;
    if (verdicts.empty()) return Verdict::kForward;
    const Verdict verdict = verdicts.front();
    verdicts.pop_front();
    return verdict;
  }
  void Passed(const session::PassingMessage& message, Verdict, const std::vector<base::UniqueFd>&) override {
    passed.push_back(message.header.request);
    payload_bytes.push_back(message.payload.size());
    fd_counts.push_back(message.fd_count);
  }

  std::deque<Verdict> verdicts;
  int judged = 0;
  std::vector<uint32_t> passed;
  std::vector<size_t> payload_bytes;
  std::vector<size_t> fd_counts;
};

class PumpTest : public testing::Test {
 protected:
  PumpTest() {
    EXPECT_TRUE(closer_.Start().ok());
    pump_ = std::make_unique<Pump>(
        Pump::Route{vhost::Channel::kMain, session::Sender::kFrontend, in_.ours.get(), out_.ours.get()},
        observer_, closer_, tally_);
  }

  void Send(const Bytes& bytes, const std::vector<int>& fds = {}) { SendAll(in_.peer.get(), bytes, fds); }

  SocketPair in_;
  SocketPair out_;
  base::UniqueFd file_ = Memfd();
  RecordingObserver observer_;
  net::FdCloser closer_;
  net::FdCloser::Tally tally_;
  std::unique_ptr<Pump> pump_;
};

TEST_F(PumpTest, HandsOnAMessageWithItsDescriptor) {
  const Bytes message = Message(5, 9, 40);
  const size_t fds = OpenFds();
  Send(message, {file_.get()});
  EXPECT_EQ(pump_->Advance(), PumpState::kWaiting);
  const Read read = ReadExactly(out_.peer.get(), message.size() + 1);
  EXPECT_EQ(read.bytes, message);
  EXPECT_THAT(read.inodes, ElementsAre(Inode(file_.get())));
  EXPECT_EQ(OpenFds(), fds);
}

TEST_F(PumpTest, ADescriptorStaysWithTheSecondOfTwoQueuedMessages) {
  const Bytes first = Message(2, 1, 8);
  const Bytes second = Message(5, 9, 40);
  Send(first);
  Send(second, {file_.get()});
  EXPECT_EQ(pump_->Advance(), PumpState::kWaiting);
  EXPECT_THAT(ReadExactly(out_.peer.get(), first.size()).inodes, IsEmpty());
  const Read read = ReadExactly(out_.peer.get(), second.size());
  EXPECT_EQ(read.bytes, second);
  EXPECT_THAT(read.inodes, ElementsAre(Inode(file_.get())));
  EXPECT_THAT(observer_.fd_counts, ElementsAre(0, 1));
}

// A peek that is full says nothing of where the descriptors that it met belong.
TEST_F(PumpTest, ADescriptorStaysWithItsMessageBehindOneThatFillsTheBuffer) {
  for (const size_t message_bytes :
       {Journal::kBufferBytes - 1, Journal::kBufferBytes + 0, Journal::kBufferBytes + 1}) {
    const Bytes first = Message(2, 1, message_bytes - vhost::kHeaderBytes);
    const Bytes second = Message(5, 9, 40);
    Send(first);
    Send(second, {file_.get()});
    EXPECT_EQ(pump_->Advance(), PumpState::kWaiting);
    Bytes got;
    while (got.size() < first.size()) {
      const Read read = ReadExactly(out_.peer.get(), first.size() - got.size());
      ASSERT_EQ(read.status, net::IoStatus::kDone);
      EXPECT_THAT(read.inodes, IsEmpty()) << message_bytes;
      got.insert(got.end(), read.bytes.begin(), read.bytes.end());
    }
    EXPECT_EQ(got, first);
    const Read read = ReadExactly(out_.peer.get(), second.size());
    EXPECT_EQ(read.bytes, second);
    EXPECT_THAT(read.inodes, ElementsAre(Inode(file_.get()))) << message_bytes;
  }
}

TEST_F(PumpTest, ADescriptorOfOneWriteWithTwoMessagesGoesWithTheFirst) {
  Bytes both = Message(5, 9, 40);
  const Bytes second = Message(2, 1, 8);
  const size_t first_bytes = both.size();
  both.insert(both.end(), second.begin(), second.end());
  Send(both, {file_.get()});
  EXPECT_EQ(pump_->Advance(), PumpState::kWaiting);
  EXPECT_THAT(ReadExactly(out_.peer.get(), first_bytes).inodes, ElementsAre(Inode(file_.get())));
  const Read read = ReadExactly(out_.peer.get(), second.size());
  EXPECT_EQ(read.bytes, second);
  EXPECT_THAT(read.inodes, IsEmpty());
}

TEST_F(PumpTest, ManyMessagesBeforeOneWithDescriptors) {
  for (int i = 0; i < 200; ++i) Send(Message(2, 1, 8));
  Send(Message(5, 9, 40), {file_.get()});
  while (pump_->Advance() == PumpState::kMore) {
  }
  for (int i = 0; i < 200; ++i) EXPECT_THAT(ReadExactly(out_.peer.get(), 20).inodes, IsEmpty());
  EXPECT_THAT(ReadExactly(out_.peer.get(), 52).inodes, ElementsAre(Inode(file_.get())));
}

TEST_F(PumpTest, AMessageCutAnywhereArrivesInOnePiece) {
  const Bytes message = Message(9, 9, 40);
  const size_t fds = OpenFds();
  for (size_t cut = 1; cut < message.size(); ++cut) {
    Send(Bytes(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(cut)), {file_.get()});
    EXPECT_EQ(pump_->Advance(), PumpState::kWaiting);
    EXPECT_EQ(ReadExactly(out_.peer.get(), 100).status, net::IoStatus::kWouldBlock) << cut;
    Send(Bytes(message.begin() + static_cast<std::ptrdiff_t>(cut), message.end()));
    EXPECT_EQ(pump_->Advance(), PumpState::kWaiting);
    const Read read = ReadExactly(out_.peer.get(), 100);
    EXPECT_EQ(read.bytes, message) << cut;
    EXPECT_THAT(read.inodes, ElementsAre(Inode(file_.get()))) << cut;
  }
  EXPECT_EQ(OpenFds(), fds);
}

TEST_F(PumpTest, AMessageBeyondTheBufferGoesOnInParts) {
  const Bytes message = Message(77, 1, 100'000);
  const size_t sndbuf_safe = 60'000;
  Send(Bytes(message.begin(), message.begin() + sndbuf_safe), {file_.get()});
  pump_->Advance();
  Send(Bytes(message.begin() + sndbuf_safe, message.end()));
  Send(Message(2, 1, 8));
  while (pump_->Advance() == PumpState::kMore) {
  }
  Bytes got;
  std::vector<uint64_t> inodes;
  while (got.size() < message.size()) {
    const Read read = ReadExactly(out_.peer.get(), message.size() - got.size());
    ASSERT_EQ(read.status, net::IoStatus::kDone);
    got.insert(got.end(), read.bytes.begin(), read.bytes.end());
    inodes.insert(inodes.end(), read.inodes.begin(), read.inodes.end());
    pump_->Advance();
  }
  EXPECT_EQ(got, message);
  EXPECT_THAT(inodes, ElementsAre(Inode(file_.get())));
  EXPECT_EQ(ReadExactly(out_.peer.get(), 100).bytes, Message(2, 1, 8));
  EXPECT_THAT(observer_.passed, ElementsAre(77, 2));
  EXPECT_THAT(observer_.payload_bytes, ElementsAre(0, 8));
}

TEST_F(PumpTest, AnEndComesAfterWhatWasQueuedAndATornMessageStaysTorn) {
  Send(Message(2, 1, 8));
  Send({1, 0, 0, 0, 1});
  in_.peer.reset();
  EXPECT_EQ(pump_->Advance(), PumpState::kEnded);
  EXPECT_TRUE(pump_->torn());
  EXPECT_EQ(ReadExactly(out_.peer.get(), 100).bytes.size(), 25U);
}

TEST_F(PumpTest, ARefusedMessageIsNotHandedOnAndItsAnswerWaitsForABoundary) {
  observer_.verdicts = {Verdict::kDrop};
  Send(Message(9, 9, 40), {file_.get()});
  Send(Message(10, 9, 40));
  EXPECT_TRUE(pump_->SendOwn(Message(44, 1, 0)));
  EXPECT_FALSE(pump_->SendOwn(Message(44, 1, 0)));
  EXPECT_EQ(pump_->Advance(), PumpState::kWaiting);
  EXPECT_EQ(ReadExactly(out_.peer.get(), 12).bytes, Message(44, 1, 0));
  EXPECT_EQ(ReadExactly(out_.peer.get(), 100).bytes, Message(10, 9, 40));
}

TEST_F(PumpTest, AHeldMessageStaysUntilItMayGo) {
  observer_.verdicts = {Verdict::kHold, Verdict::kHold, Verdict::kForward};
  Send(Message(9, 9, 40), {file_.get()});
  EXPECT_EQ(pump_->Advance(), PumpState::kHeld);
  EXPECT_EQ(pump_->Advance(), PumpState::kHeld);
  EXPECT_EQ(pump_->Advance(), PumpState::kWaiting);
  EXPECT_THAT(ReadExactly(out_.peer.get(), 100).inodes, ElementsAre(Inode(file_.get())));
}

TEST_F(PumpTest, StopsAtTheLimitOfDescriptorsUnderWayAndGoesOnWhenTheyAreRead) {
  const Bytes message = Message(9, 9, 40);
  for (size_t i = 0; i < Pump::kMaxFdsInFlight + 10; ++i) Send(message, {file_.get()});
  while (pump_->Advance() == PumpState::kMore) {
  }
  EXPECT_EQ(pump_->state(), PumpState::kBlocked);
  EXPECT_EQ(pump_->traffic().fds, Pump::kMaxFdsInFlight);
  for (size_t i = 0; i < Pump::kMaxFdsInFlight; ++i)
    EXPECT_EQ(ReadExactly(out_.peer.get(), 100).bytes, message);
  EXPECT_EQ(pump_->Advance(), PumpState::kWaiting);
  for (size_t i = 0; i < 10; ++i) EXPECT_EQ(ReadExactly(out_.peer.get(), 100).bytes, message);
}

TEST_F(PumpTest, ASinkThatIsFullLosesNothing) {
  const Bytes message = Message(40, 1, 4000);
  size_t sent = 0;
  while (net::Send(in_.peer.get(), message).status == net::IoStatus::kDone) {
    ++sent;
    pump_->Advance();
    if (sent > 1000) break;
  }
  EXPECT_EQ(pump_->state(), PumpState::kBlocked);
  Bytes got;
  while (true) {
    const Read read = ReadExactly(out_.peer.get(), 65536);
    if (read.status != net::IoStatus::kDone) break;
    got.insert(got.end(), read.bytes.begin(), read.bytes.end());
    while (pump_->Advance() == PumpState::kMore) {
    }
  }
  EXPECT_EQ(got.size(), sent * message.size());
}

TEST_F(PumpTest, ASinkThatIsGoneBreaksIt) {
  out_.peer.reset();
  Send(Message(9, 9, 40), {file_.get()});
  const size_t fds = OpenFds();
  EXPECT_EQ(pump_->Advance(), PumpState::kBroken);
  EXPECT_EQ(OpenFds(), fds);
}

}  // namespace
}  // namespace shmemd::relay
