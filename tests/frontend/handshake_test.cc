// The handshake as a transcript: "> bytes" is what we send, "< bytes" what the back-end answers.
#include "server/frontend/handshake.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace shmemd::frontend {
namespace {

using state::StateReason;
using state::WireAspect;
using vhost::FrontendRequest;
using vhost::ProtocolFeature;
using Result = Handshake::Result;
using Step = Handshake::Step;

constexpr uint64_t kVirtioOffer = vhost::kVirtioProtocolFeatures | (uint64_t{1} << 32);
constexpr uint64_t kFullOffer = 0x007f'ffff;

std::string Hex(const std::vector<uint8_t>& bytes) {
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

// Plays the back-end's part.
class Script {
 public:
  // Everything that is sent until a reply is awaited or the end is reached.
  std::vector<std::string> Run() {
    std::vector<std::string> sent;
    for (Handshake::Action action = handshake_.Advance(); action.step == Step::kSend;
         action = handshake_.Advance()) {
      sent.push_back(absl::StrCat(Hex(action.bytes), action.with_backend_channel ? " + channel" : ""));
    }
    return sent;
  }
  uint32_t awaited() { return handshake_.Advance().message_id; }

  void Reply(uint32_t id, uint32_t flags, const std::vector<uint8_t>& payload, size_t fd_count = 0) {
    handshake_.OnReply({{id, flags, static_cast<uint32_t>(payload.size())}, payload}, fd_count);
  }
  void ReplyU64(FrontendRequest request, uint64_t value) {
    std::vector<uint8_t> payload(sizeof(value));
    std::memcpy(payload.data(), &value, sizeof(value));
    Reply(Id(request), vhost::kReplyFlags, payload);
  }
  // Up to the question for the configuration.
  void Negotiate(uint64_t offer) {
    Run();
    ReplyU64(FrontendRequest::kGetFeatures, kVirtioOffer);
    Run();
    ReplyU64(FrontendRequest::kGetProtocolFeatures, offer);
    Run();
    if (awaited() == Id(FrontendRequest::kSetBackendReqFd)) ReplyU64(FrontendRequest::kSetBackendReqFd, 0);
    Run();
  }
  const Handshake::Outcome& outcome() const { return handshake_.outcome(); }

 private:
  Handshake handshake_;
};

std::vector<uint8_t> ConfigPayload(uint32_t num_regions, size_t bytes = 2056) {
  std::vector<uint8_t> payload(bytes);
  if (bytes >= 4) std::memcpy(payload.data(), &num_regions, sizeof(num_regions));
  if (bytes >= 16) payload[10] = 0x10;  // shmid 0: 1 MiB
  return payload;
}

using Lines = std::vector<std::string>;

TEST(Handshake, SaysWhatARealFrontEndSaysInThatOrder) {
  Script script;
  EXPECT_EQ(script.Run(), Lines({"010000000100000000000000"}));
  EXPECT_EQ(script.awaited(), Id(FrontendRequest::kGetFeatures));
  script.ReplyU64(FrontendRequest::kGetFeatures, kVirtioOffer);

  EXPECT_EQ(script.Run(), Lines({"0f0000000100000000000000"}));
  script.ReplyU64(FrontendRequest::kGetProtocolFeatures, kFullOffer);

  // MQ, REPLY_ACK, BACKEND_REQ, CONFIG, BACKEND_SEND_FD, SHMEM: of what was offered, what we use.
  EXPECT_EQ(script.Run(),
            Lines({"1000000001000000080000002906400000000000", "150000000900000000000000 + channel"}));
  EXPECT_EQ(script.awaited(), Id(FrontendRequest::kSetBackendReqFd));
  script.ReplyU64(FrontendRequest::kSetBackendReqFd, 0);

  EXPECT_EQ(script.Run(), Lines({"030000000100000000000000", "2c0000000100000000000000"}));
  EXPECT_EQ(script.awaited(), Id(FrontendRequest::kGetShmemConfig));
  script.Reply(44, vhost::kReplyFlags, ConfigPayload(1));

  EXPECT_EQ(script.Run(), Lines());
  EXPECT_EQ(script.outcome().result, Result::kReady);
  EXPECT_EQ(script.outcome().config.sizes[0], uint64_t{1} << 20);
  EXPECT_EQ(script.outcome().features.shmem_bit, 22);
}

TEST(Handshake, AcknowledgesNothingThatWasNotOffered) {
  Script script;
  script.Run();
  script.ReplyU64(FrontendRequest::kGetFeatures, kVirtioOffer);
  script.Run();
  script.ReplyU64(FrontendRequest::kGetProtocolFeatures, Mask(ProtocolFeature::kShmem));
  EXPECT_EQ(script.Run(), Lines({"1000000001000000080000000000400000000000", "030000000100000000000000",
                                 "2c0000000100000000000000"}));
}

TEST(Handshake, WithoutReplyAckTheChannelIsHandedOverWithoutWaiting) {
  Script script;
  script.Run();
  script.ReplyU64(FrontendRequest::kGetFeatures, kVirtioOffer);
  script.Run();
  script.ReplyU64(FrontendRequest::kGetProtocolFeatures,
                  Mask(ProtocolFeature::kShmem) | Mask(ProtocolFeature::kBackendReq));
  EXPECT_EQ(script.Run(),
            Lines({"1000000001000000080000002000400000000000", "150000000100000000000000 + channel",
                   "030000000100000000000000", "2c0000000100000000000000"}));
}

TEST(Handshake, WithoutProtocolFeaturesNothingMoreIsSent) {
  Script script;
  script.Run();
  script.ReplyU64(FrontendRequest::kGetFeatures, uint64_t{1} << 32);
  EXPECT_EQ(script.Run(), Lines());
  EXPECT_EQ(script.outcome().result, Result::kUnsupported);
  EXPECT_EQ(script.outcome().cause.reason, StateReason::kNoProtocolFeatures);
}

TEST(Handshake, AnOlderBitIsNamedAndNeverTried) {
  for (const unsigned bit : {17u, 20u, 21u, 31u}) {
    Script script;
    script.Run();
    script.ReplyU64(FrontendRequest::kGetFeatures, kVirtioOffer);
    script.Run();
    script.ReplyU64(FrontendRequest::kGetProtocolFeatures,
                    (uint64_t{1} << bit) | Mask(ProtocolFeature::kReplyAck));
    EXPECT_EQ(script.Run(), Lines()) << bit;
    EXPECT_EQ(script.outcome().result, Result::kUnsupported);
    EXPECT_EQ(script.outcome().cause.reason, StateReason::kShmemOlderBit);
    EXPECT_EQ(script.outcome().cause.got, static_cast<uint64_t>(script.outcome().features.shmem_bit));
    EXPECT_EQ(script.outcome().features.shmem_bit, static_cast<int8_t>(bit));
    EXPECT_EQ(script.outcome().features.acked_protocol, 0u);
  }
}

TEST(Handshake, WithoutShmemGetShmemConfigIsNeverSent) {
  Script script;
  script.Run();
  script.ReplyU64(FrontendRequest::kGetFeatures, kVirtioOffer);
  script.Run();
  script.ReplyU64(FrontendRequest::kGetProtocolFeatures, Mask(ProtocolFeature::kReplyAck));
  EXPECT_EQ(script.Run(), Lines());
  EXPECT_EQ(script.outcome().cause.reason, StateReason::kShmemNotOffered);
  EXPECT_EQ(script.outcome().features.shmem_bit, -1);
}

TEST(Handshake, ARefusedChannelEndsIt) {
  Script script;
  script.Run();
  script.ReplyU64(FrontendRequest::kGetFeatures, kVirtioOffer);
  script.Run();
  script.ReplyU64(FrontendRequest::kGetProtocolFeatures, kFullOffer);
  script.Run();
  script.ReplyU64(FrontendRequest::kSetBackendReqFd, 1);
  EXPECT_EQ(script.Run(), Lines());
  EXPECT_EQ(script.outcome().result, Result::kFailed);
  EXPECT_EQ(script.outcome().cause, (state::Cause{.reason = StateReason::kRequestRefused,
                                                  .aspect = WireAspect::kReplyValue,
                                                  .message_id = 21,
                                                  .expected = 0,
                                                  .got = 1}));
}

struct BadReply {
  const char* name;
  uint32_t id;
  uint32_t flags;
  size_t payload_bytes;
  size_t fd_count;
  StateReason reason;
  WireAspect aspect;
  uint64_t expected;
  uint64_t got;
};

TEST(Handshake, ABrokenReplyToGetFeaturesSaysWhatIsWrong) {
  constexpr StateReason kOdd = StateReason::kProtocolError;
  const BadReply replies[] = {
      {"id", 15, 5, 8, 0, kOdd, WireAspect::kRequestId, 1, 15},
      {"flags", 1, 1, 8, 0, kOdd, WireAspect::kFlags, 5, 1},
      {"fds", 1, 5, 8, 2, StateReason::kUnexpectedFds, WireAspect::kFdCount, 0, 2},
      {"short", 1, 5, 4, 0, kOdd, WireAspect::kPayloadBytes, 8, 4},
      {"long", 1, 5, 16, 0, kOdd, WireAspect::kPayloadBytes, 8, 16},
  };
  for (const BadReply& bad : replies) {
    Script script;
    script.Run();
    script.Reply(bad.id, bad.flags, std::vector<uint8_t>(bad.payload_bytes), bad.fd_count);
    EXPECT_EQ(script.outcome().result, Result::kFailed) << bad.name;
    EXPECT_EQ(script.outcome().cause, (state::Cause{.reason = bad.reason,
                                                    .aspect = bad.aspect,
                                                    .message_id = 1,
                                                    .expected = bad.expected,
                                                    .got = bad.got}))
        << bad.name;
  }
}

TEST(Handshake, AMalformedConfigurationSaysWhatIsWrong) {
  constexpr StateReason kMalformed = StateReason::kConfigReplyMalformed;
  const BadReply replies[] = {
      {"id 43", 43, 5, 2056, 0, kMalformed, WireAspect::kRequestId, 44, 43},
      {"flags 0x1", 44, 1, 2056, 0, kMalformed, WireAspect::kFlags, 5, 1},
      {"flags 0xd", 44, 0xd, 2056, 0, kMalformed, WireAspect::kFlags, 5, 0xd},
      {"an fd", 44, 5, 2056, 1, kMalformed, WireAspect::kFdCount, 0, 1},
      {"payload 0", 44, 5, 0, 0, kMalformed, WireAspect::kPayloadBytes, 2056, 0},
      {"payload 4", 44, 5, 4, 0, kMalformed, WireAspect::kPayloadBytes, 2056, 4},
      {"payload 2055", 44, 5, 2055, 0, kMalformed, WireAspect::kPayloadBytes, 2056, 2055},
      {"payload 2057", 44, 5, 2057, 0, kMalformed, WireAspect::kPayloadBytes, 2056, 2057},
      {"payload 2064", 44, 5, 2064, 0, kMalformed, WireAspect::kPayloadBytes, 2056, 2064},
  };
  for (const BadReply& bad : replies) {
    Script script;
    script.Negotiate(kFullOffer);
    script.Reply(bad.id, bad.flags, ConfigPayload(1, bad.payload_bytes), bad.fd_count);
    EXPECT_EQ(script.outcome().result, Result::kFailed) << bad.name;
    EXPECT_EQ(script.outcome().cause, (state::Cause{.reason = bad.reason,
                                                    .aspect = bad.aspect,
                                                    .message_id = 44,
                                                    .expected = bad.expected,
                                                    .got = bad.got}))
        << bad.name;
  }
}

TEST(Handshake, ACutConfigurationIsTaken) {
  Script script;
  script.Negotiate(kFullOffer);
  script.Reply(44, vhost::kReplyFlags, ConfigPayload(1, 16));
  EXPECT_EQ(script.outcome().result, Result::kReady);
  EXPECT_TRUE(script.outcome().config.truncated());
}

}  // namespace
}  // namespace shmemd::frontend
