#include "server/convert/backend.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace shmemd::convert {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

BackendRecord Record() {
  BackendRecord record;
  record.spec = {"gpu0", "/run/gpu0.sock", state::Mode::kFrontend, state::Origin::kConfig};
  record.uid = "u1";
  record.status.create_time_ns = 5'000'000'000;
  return record;
}

TEST(BackendTest, NeverConnectedLeavesUnknownThingsUnsetAndPrintsZeros) {
  const v1::Backend backend = ToProto(Record());
  EXPECT_EQ(backend.name(), "backends/gpu0");
  EXPECT_EQ(backend.uid(), "u1");
  EXPECT_EQ(backend.origin(), v1::Backend::CONFIG);
  EXPECT_EQ(backend.mode(), v1::Backend::FRONTEND);
  EXPECT_EQ(backend.state(), v1::Backend::CONNECTING);
  EXPECT_EQ(backend.state_reason(), v1::Backend::STATE_REASON_UNSPECIFIED);
  EXPECT_EQ(backend.state_detail(), "");
  EXPECT_FALSE(backend.has_features());
  EXPECT_FALSE(backend.has_config());
  EXPECT_FALSE(backend.has_backend_process());
  EXPECT_FALSE(backend.has_connect_time());
  EXPECT_EQ(backend.create_time().seconds(), 5);
  ASSERT_TRUE(backend.has_connection_epoch());
  EXPECT_EQ(backend.connection_epoch(), 0);
  ASSERT_TRUE(backend.has_reconnect_count());
  EXPECT_EQ(backend.reconnect_count(), 0);
  ASSERT_TRUE(backend.totals().has_mapped_bytes());
  EXPECT_EQ(backend.totals().mapped_bytes(), 0);
}

TEST(BackendTest, TheFirstConnectionIsNoReconnect) {
  BackendRecord record = Record();
  record.status.epoch = 1;
  EXPECT_EQ(ToProto(record).reconnect_count(), 0);
  record.status.epoch = 3;
  EXPECT_EQ(ToProto(record).reconnect_count(), 2);
  EXPECT_TRUE(ToProto(record).has_connect_time());
}

TEST(BackendTest, EachStateAndReasonHasTheNameThatTheModelGivesIt) {
  for (int i = 0; i < state::kBackendStateCount; ++i) {
    BackendRecord record = Record();
    record.status.state = static_cast<state::BackendState>(i);
    EXPECT_EQ(v1::Backend::State_Name(ToProto(record).state()), state::BackendStateName(record.status.state));
  }
  for (int i = 1; i < state::kStateReasonCount; ++i) {
    BackendRecord record = Record();
    record.status.cause.reason = static_cast<state::StateReason>(i);
    EXPECT_EQ(v1::Backend::StateReason_Name(ToProto(record).state_reason()),
              state::StateReasonName(record.status.cause.reason));
  }
}

TEST(BackendTest, TheDetailNamesTheMessage) {
  BackendRecord record = Record();
  record.status.state = state::BackendState::kFailed;
  record.status.cause = {
      state::StateReason::kReplyTimeout, state::WireAspect::kNone, false, 44, 0, 5000, 0, 0};
  EXPECT_THAT(ToProto(record).state_detail(), HasSubstr("GET_SHMEM_CONFIG"));
  record.status.cause = {
      state::StateReason::kProtocolError, state::WireAspect::kPayloadBytes, true, 9, 0, 0, 40, 8};
  EXPECT_THAT(ToProto(record).state_detail(), HasSubstr("SHMEM_MAP"));
  record.status.cause.message_id = 7777;
  EXPECT_THAT(ToProto(record).state_detail(), HasSubstr("7777"));
}

TEST(BackendTest, OnlyAnActiveBackendIsObserved) {
  BackendRecord record = Record();
  record.status.state = state::BackendState::kDisconnected;
  EXPECT_TRUE(ToProto(record).has_observed());
  EXPECT_FALSE(ToProto(record).observed());
  EXPECT_THAT(ToProto(record).unobserved_reason(), HasSubstr("DISCONNECTED"));
  record.status.state = state::BackendState::kActive;
  EXPECT_TRUE(ToProto(record).observed());
  record.spec.mode = state::Mode::kProbe;
  EXPECT_FALSE(ToProto(record).observed());
  EXPECT_NE(ToProto(record).unobserved_reason(), "");
}

BackendRecord RelayRecord() {
  BackendRecord record = Record();
  record.spec.mode = state::Mode::kRelay;
  record.spec.frontend_socket = "/run/vhost-user/gpu0.sock";
  record.status.state = state::BackendState::kActive;
  return record;
}

TEST(BackendTest, ARelayShowsBothSidesAndWhatItIsToldToDo) {
  BackendRecord record = RelayRecord();
  record.spec.frontend_role = state::SocketRole::kConnect;
  record.spec.backend_role = state::SocketRole::kListen;
  record.spec.query = state::Query::kInject;
  record.spec.guard = state::Guard::kProtect;
  record.spec.on_backend_missing = state::OnBackendMissing::kRefuse;
  record.status.frontend_peer = {107, 108, 4711, {'q', 'e', 'm', 'u'}, true};
  record.status.guard_refused = 2;
  record.status.guard_dropped = 3;
  const v1::Backend backend = ToProto(record);
  EXPECT_EQ(backend.mode(), v1::Backend::RELAY);
  EXPECT_EQ(backend.frontend_socket(), "/run/vhost-user/gpu0.sock");
  EXPECT_EQ(backend.backend_socket(), "/run/gpu0.sock");
  EXPECT_EQ(backend.frontend_socket_role(), v1::Backend::CONNECT);
  EXPECT_EQ(backend.backend_socket_role(), v1::Backend::LISTEN);
  EXPECT_EQ(backend.query(), v1::Backend::INJECT);
  EXPECT_EQ(backend.guard(), v1::Backend::PROTECT);
  EXPECT_EQ(backend.on_backend_missing(), v1::Backend::REFUSE);
  EXPECT_EQ(backend.guard_action_count(), 5);
  EXPECT_EQ(backend.frontend_process().uid(), 107u);
  EXPECT_EQ(backend.frontend_process().command(), "qemu");
}

TEST(BackendTest, ARelaysDefaultsAreShownAndItsZeros) {
  const v1::Backend backend = ToProto(RelayRecord());
  EXPECT_EQ(backend.frontend_socket_role(), v1::Backend::LISTEN);
  EXPECT_EQ(backend.backend_socket_role(), v1::Backend::CONNECT);
  EXPECT_EQ(backend.query(), v1::Backend::SNOOP);
  EXPECT_EQ(backend.guard(), v1::Backend::WARN);
  EXPECT_EQ(backend.on_backend_missing(), v1::Backend::WAIT);
  ASSERT_TRUE(backend.has_guard_action_count());
  EXPECT_EQ(backend.guard_action_count(), 0);
  EXPECT_FALSE(backend.has_frontend_process()) << "nobody connected yet";
}

TEST(BackendTest, OtherModesHaveNothingOfARelay) {
  BackendRecord record = Record();
  record.status.guard_refused = 1;
  record.status.frontend_peer.known = true;
  for (const state::Mode mode : {state::Mode::kFrontend, state::Mode::kProbe}) {
    record.spec.mode = mode;
    const v1::Backend backend = ToProto(record);
    EXPECT_EQ(backend.frontend_socket(), "");
    EXPECT_EQ(backend.frontend_socket_role(), v1::Backend::SOCKET_ROLE_UNSPECIFIED);
    EXPECT_EQ(backend.backend_socket_role(), v1::Backend::CONNECT);
    EXPECT_EQ(backend.query(), v1::Backend::QUERY_UNSPECIFIED);
    EXPECT_EQ(backend.guard(), v1::Backend::GUARD_UNSPECIFIED);
    EXPECT_EQ(backend.on_backend_missing(), v1::Backend::ON_BACKEND_MISSING_UNSPECIFIED);
    EXPECT_FALSE(backend.has_guard_action_count());
    EXPECT_FALSE(backend.has_frontend_process());
  }
}

TEST(BackendTest, TheDeviceRunsAsTheRelaySaysAndNeverInFrontendMode) {
  BackendRecord record = RelayRecord();
  for (const state::DeviceState device :
       {state::DeviceState::kUnknown, state::DeviceState::kStopped, state::DeviceState::kStarted}) {
    record.status.device_state = device;
    record.spec.mode = state::Mode::kRelay;
    EXPECT_EQ(v1::Backend::DeviceState_Name(ToProto(record).device_state()), state::DeviceStateName(device));
    record.spec.mode = state::Mode::kFrontend;
    EXPECT_EQ(ToProto(record).device_state(), v1::Backend::STOPPED);
  }
  EXPECT_EQ(ToProto(Record()).device_state(), v1::Backend::STOPPED) << "also while not connected";
}

TEST(BackendTest, ARelayThatLostThePairingIsActiveAndNotObserved) {
  BackendRecord record = RelayRecord();
  EXPECT_TRUE(ToProto(record).observed());
  EXPECT_EQ(ToProto(record).unobserved_reason(), "");
  for (int i = 1; i < state::kUnobservedReasonCount; ++i) {
    record.status.observation = {static_cast<state::UnobservedReason>(i), true, 9, 10};
    EXPECT_EQ(ToProto(record).state(), v1::Backend::ACTIVE);
    EXPECT_FALSE(ToProto(record).observed());
    EXPECT_EQ(ToProto(record).unobserved_reason(), state::UnobservedText(record.status.observation));
  }
}

TEST(BackendTest, ARelayIsObservedFromTheFirstMessageOn) {
  BackendRecord record = RelayRecord();
  record.status.state = state::BackendState::kNegotiating;
  EXPECT_TRUE(ToProto(record).observed());
  record.status.state = state::BackendState::kWaitingForFrontend;
  EXPECT_EQ(ToProto(record).unobserved_reason(), "nothing to follow while WAITING_FOR_FRONTEND");
  record.spec.mode = state::Mode::kFrontend;
  record.status.state = state::BackendState::kNegotiating;
  EXPECT_FALSE(ToProto(record).observed());
}

TEST(BackendTest, ASumBeyondInt64IsTheLargestInt64) {
  BackendRecord record = Record();
  record.totals.size_bytes = ~uint64_t{0};
  EXPECT_EQ(ToProto(record).totals().size_bytes(), std::numeric_limits<int64_t>::max());
}

TEST(BackendTest, FindingsComeAlong) {
  BackendRecord record = Record();
  state::Finding finding;
  finding.code = state::FindingCode::kDeviceNotStarted;
  record.findings.push_back(finding);
  ASSERT_EQ(ToProto(record).findings_size(), 1);
  EXPECT_EQ(ToProto(record).findings(0).code(), "DEVICE_NOT_STARTED");
}

TEST(FeaturesTest, NamesAreInTheOrderOfBitsAndUnknownOnesAreNumbered) {
  state::Features features;
  features.virtio = uint64_t{1} << 30;
  features.offered_protocol = 1 << 3 | 1 << 22 | uint64_t{1} << 50;
  features.acked_protocol = 1 << 3 | 1 << 22;
  features.shmem_bit = 22;
  features.known = true;
  const v1::Features proto = ToProto(features);
  EXPECT_THAT(proto.offered_protocol_feature_names(), ElementsAre("REPLY_ACK", "SHMEM", "BIT_50"));
  EXPECT_THAT(proto.acked_protocol_feature_names(), ElementsAre("REPLY_ACK", "SHMEM"));
  EXPECT_EQ(proto.shmem_feature_bit(), 22);
  EXPECT_TRUE(proto.reply_ack());
  EXPECT_FALSE(proto.backend_req());
  EXPECT_FALSE(proto.backend_send_fd());
}

TEST(FeaturesTest, NoShmemBitIsAbsent) {
  state::Features features;
  features.known = true;
  EXPECT_FALSE(ToProto(features).has_shmem_feature_bit());
}

TEST(ShmemConfigTest, WhatWasSentIsShownWithItsZeros) {
  state::ShmemConfig config;
  config.source = state::ConfigSource::kAsked;
  config.reply_payload_bytes = 8;
  config.meaning = state::NumRegionsMeaning::kCountOrSpan;
  const v1::ShmemConfig proto = ToProto(config);
  ASSERT_TRUE(proto.has_reported_num_regions());
  EXPECT_EQ(proto.reported_num_regions(), 0);
  ASSERT_TRUE(proto.has_nonzero_size_count());
  EXPECT_FALSE(proto.has_highest_shmid());
  EXPECT_EQ(proto.reply_payload_bytes(), 8);
  EXPECT_EQ(proto.num_regions_meaning(), v1::ShmemConfig::COUNT_OR_SPAN);
}

TEST(ShmemConfigTest, NotSeenHasNoCounts) {
  const v1::ShmemConfig proto = ToProto(state::ShmemConfig{});
  EXPECT_EQ(proto.source(), v1::ShmemConfig::NOT_SEEN);
  EXPECT_FALSE(proto.has_reported_num_regions());
  EXPECT_FALSE(proto.has_observe_time());
}

TEST(PeerProcessTest, AHostileCommandNameIsStillAString) {
  state::PeerProcess peer;
  peer.known = true;
  peer.comm = {'a', '\xff', '\n', 'b'};
  const v1::PeerProcess proto = ToProto(peer);
  EXPECT_EQ(proto.command(), "a??b");
  EXPECT_FALSE(proto.has_pid());
}

}  // namespace
}  // namespace shmemd::convert
