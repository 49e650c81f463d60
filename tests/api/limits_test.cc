// Whom the sockets let in, and how much of the server a client may use.
#include <fcntl.h>
#include <grp.h>
#include <grpcpp/create_channel_posix.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <functional>

#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "tests/api/access_fixture.h"
#include "tests/api/raw_http2.h"

namespace shmemd::api {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

constexpr uid_t kUser = 54321;
constexpr gid_t kGroup = 54322;
constexpr gid_t kOtherGroup = 54323;

// Connected by a thread that is somebody else: the kernel keeps identities by thread.
base::UniqueFd ConnectAs(const std::string& path, uid_t uid, gid_t gid, const std::vector<gid_t>& groups) {
  base::UniqueFd connection;
  std::thread([&] {
    if (syscall(SYS_setgroups, groups.size(), groups.data()) == 0 &&
        syscall(SYS_setresgid, gid, gid, gid) == 0 && syscall(SYS_setresuid, uid, uid, uid) == 0) {
      connection = http2::Connect(path);
    }
  }).join();
  return connection;
}

std::shared_ptr<grpc::Channel> ChannelOf(base::UniqueFd connection) {
  EXPECT_TRUE(connection.is_open());
  return grpc::CreateInsecureChannelFromFd("peer", connection.release());
}

// The reason and the wait that came with it.
void ExpectRetry(const grpc::Status& status, const std::string& reason) {
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  ASSERT_EQ(details.details_size(), 2);
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo retry;
  EXPECT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_TRUE(details.details(1).UnpackTo(&retry));
  EXPECT_EQ(info.reason(), reason);
  EXPECT_EQ(info.domain(), "shmem.vhost");
  EXPECT_GT(retry.retry_delay().seconds() * 1'000'000'000 + retry.retry_delay().nanos(), 0);
}

class PeerTest : public AccessTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can connect as somebody else";
    config_.socket.mode = config_.admin_socket.mode = 0666;
  }
  void StartForAll() {
    Start();
    std::filesystem::permissions(directory_.File("run"), std::filesystem::perms(0755));
    std::filesystem::permissions(directory_.File("."), std::filesystem::perms(0755));
  }
  std::shared_ptr<grpc::Channel> As(const SocketConfig& socket, uid_t uid, gid_t gid,
                                    const std::vector<gid_t>& groups = {}) {
    return ChannelOf(ConnectAs(socket.path, uid, gid, groups));
  }
};

TEST_F(PeerTest, WithoutAListTheFileModeDecides) {
  StartForAll();
  EXPECT_TRUE(GetInfo(As(config_.socket, kUser, kGroup)).ok());
  EXPECT_TRUE(GetInfo(As(config_.admin_socket, kUser, kGroup)).ok());
}

TEST_F(PeerTest, AUserOrAGroupOfTheListIsLetIn) {
  config_.socket.peers = {{kUser}, {kOtherGroup}};
  config_.admin_socket.peers = {{kUser}, {}};
  StartForAll();
  EXPECT_TRUE(GetInfo(As(config_.socket, kUser, kGroup)).ok());
  EXPECT_TRUE(GetInfo(As(config_.socket, kUser + 1, kOtherGroup)).ok());
  EXPECT_TRUE(GetInfo(As(config_.socket, kUser + 1, kGroup, {1, 2, kOtherGroup})).ok());
  std::vector<gid_t> many(100);
  for (size_t i = 0; i < many.size(); ++i) many[i] = static_cast<gid_t>(70'000 + i);
  many.push_back(kOtherGroup);
  EXPECT_TRUE(GetInfo(As(config_.socket, kUser + 1, kGroup, many)).ok());
  EXPECT_TRUE(GetInfo(As(config_.admin_socket, kUser, kGroup)).ok());
}

TEST_F(PeerTest, AnybodyElseIsToldWhyRootToo) {
  config_.socket.peers = {{kUser}, {}};
  config_.admin_socket.peers = {{kUser}, {kGroup}};
  StartForAll();
  const grpc::Status refused = Refresh(As(config_.admin_socket, kUser + 1, kOtherGroup));
  EXPECT_THAT(refused, IsError(StatusCode::PERMISSION_DENIED, "PEER_NOT_ALLOWED"));
  const auto metadata = ErrorInfoOf(refused).metadata();
  EXPECT_EQ(metadata.at("uid"), std::to_string(kUser + 1));
  EXPECT_EQ(metadata.at("gid"), std::to_string(kOtherGroup));
  EXPECT_EQ(metadata.at("setting"), "api.admin_socket_allow_uids");
  EXPECT_THAT(refused.error_message(), HasSubstr("api.admin_socket_allow_gids"));
  const auto root = ChannelTo("unix:" + config_.socket.path);
  EXPECT_THAT(GetInfo(root), IsError(StatusCode::PERMISSION_DENIED, "PEER_NOT_ALLOWED"));
  // Streams as well, and again on the same connection.
  grpc::ClientContext context;
  SetTestDeadline(context);
  const auto stream = v1::ShmemInspector::NewStub(root)->Watch(&context, v1::WatchRequest());
  v1::WatchResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(stream->Finish(), IsError(StatusCode::PERMISSION_DENIED, "PEER_NOT_ALLOWED"));
  EXPECT_THAT(log_.lines(), testing::Contains(HasSubstr("uid " + std::to_string(kUser + 1))));
}

TEST_F(PeerTest, AFloodOfRefusedPeersKeepsNobodyOut) {
  config_.socket.peers = {{kUser}, {}};
  StartForAll();
  std::vector<base::UniqueFd> refused(500);
  for (base::UniqueFd& connection : refused) connection = http2::Connect(config_.socket.path);
  EXPECT_TRUE(GetInfo(As(config_.socket, kUser, kGroup)).ok());
}

class LimitsTest : public AccessTest {
 protected:
  std::shared_ptr<grpc::Channel> Channel() { return ChannelTo("unix:" + config_.socket.path); }
};

TEST_F(LimitsTest, ACallerThatAsksTooOftenIsToldWhenToComeBack) {
  config_.limits.calls.max_calls_per_second = 10;
  Start();
  const auto hasty = Channel();
  grpc::Status status;
  for (int i = 0; i < 30 && status.ok(); ++i) status = GetInfo(hasty);
  ExpectRetry(status, "RATE_LIMITED");
  EXPECT_TRUE(GetInfo(Channel()).ok()) << "another connection has its own rate";
}

TEST_F(LimitsTest, ARequestThatIsTooLargeIsRefused) {
  config_.limits.max_message_bytes = 4096;
  Start();
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::GetBackendRequest request;
  request.set_name(std::string(5000, 'x'));
  v1::Backend response;
  const auto channel = Channel();
  const grpc::Status status = v1::ShmemInspector::NewStub(channel)->GetBackend(&context, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("4096"));
  EXPECT_TRUE(GetInfo(channel).ok()) << "the connection goes on";
}

// Streams of clients that keep to what the server says wait for their turn, on the client's side.
TEST_F(LimitsTest, MoreStreamsThanAConnectionMayHaveWaitForTheirTurn) {
  config_.limits.calls.max_streams = 4;
  Start();
  const auto channel = Channel();
  const auto health = grpc::health::v1::Health::NewStub(channel);
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<grpc::health::v1::HealthCheckResponse>>> streams;
  for (int i = 0; i < 4; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    SetTestDeadline(*contexts.back());
    streams.push_back(health->Watch(contexts.back().get(), {}));
    grpc::health::v1::HealthCheckResponse response;
    ASSERT_TRUE(streams.back()->Read(&response));
  }
  grpc::ClientContext waits;
  waits.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(300));
  v1::GetServerInfoResponse info;
  const auto inspector = v1::ShmemInspector::NewStub(channel);
  EXPECT_EQ(inspector->GetServerInfo(&waits, {}, &info).error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(GetInfo(Channel()).ok()) << "another connection has its own streams";
  contexts[0]->TryCancel();
  EXPECT_TRUE(GetInfo(channel).ok());
  for (auto& context : contexts) context->TryCancel();
}

TEST_F(LimitsTest, WhenAllCallsAreTakenThoseWithFewAreServedAndOthersRefused) {
  config_.limits.calls.max_open_calls = 20;
  Start();
  const auto greedy = Channel();
  const auto health = grpc::health::v1::Health::NewStub(greedy);
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<grpc::health::v1::HealthCheckResponse>>> streams;
  for (int i = 0; i < 20; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    SetTestDeadline(*contexts.back());
    streams.push_back(health->Watch(contexts.back().get(), {}));
    grpc::health::v1::HealthCheckResponse response;
    ASSERT_TRUE(streams.back()->Read(&response));
  }
  ExpectRetry(GetInfo(greedy), "TOO_MANY_CALLS");
  EXPECT_TRUE(GetInfo(Channel()).ok());
  for (auto& context : contexts) context->TryCancel();
}

TEST_F(LimitsTest, ConnectionsBeyondTheLimitAreToldAndRoomComesBack) {
  config_.limits.max_connections = 8;
  Start();
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < 6; ++i) {
    channels.push_back(Channel());
    ASSERT_TRUE(GetInfo(channels.back()).ok());
  }
  const auto seventh = Channel();
  ExpectRetry(GetInfo(seventh), "TOO_MANY_CONNECTIONS");
  EXPECT_THAT(GetInfo(Channel()).error_message(), HasSubstr("6 connections of uid"));
  channels.clear();
  const int64_t deadline_ns = base::MonotonicNanos() + 20'000'000'000;
  grpc::Status status = GetInfo(Channel());
  while (!status.ok() && base::MonotonicNanos() < deadline_ns) status = GetInfo(Channel());
  EXPECT_TRUE(status.ok()) << status.error_message();
}

// On loopback an address is everybody's.
TEST_F(LimitsTest, NobodyOnLoopbackUsesUpTheShareOfOthers) {
  config_.listen = "127.0.0.1:0";
  config_.limits.max_connections = 8;
  config_.limits.calls.max_calls_per_second = 10;
  Start();
  const auto hasty = ChannelTo(server_->listen_address());
  grpc::Status status;
  for (int i = 0; i < 30 && status.ok(); ++i) status = GetInfo(hasty);
  ExpectRetry(status, "RATE_LIMITED");
  std::vector<std::shared_ptr<grpc::Channel>> others;
  for (int i = 0; i < 7; ++i) {
    others.push_back(ChannelTo(server_->listen_address()));
    EXPECT_TRUE(GetInfo(others.back()).ok()) << "another connection has its own rate";
  }
  const grpc::Status ninth = GetInfo(ChannelTo(server_->listen_address()));
  ExpectRetry(ninth, "TOO_MANY_CONNECTIONS");
  EXPECT_THAT(ninth.error_message(), HasSubstr("8 connections in all"));
}

TEST_F(LimitsTest, ReadersLeavePlacesToWatchersOfTheAdminRole) {
  config_.watch.max_watchers = 8;
  Start();
  struct Watcher {
    std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();
    std::unique_ptr<grpc::ClientReader<v1::WatchResponse>> stream;
    bool Begin(const std::shared_ptr<grpc::Channel>& channel) {
      SetTestDeadline(*context);
      stream = v1::ShmemInspector::NewStub(channel)->Watch(context.get(), {});
      v1::WatchResponse response;
      return stream->Read(&response);
    }
  };
  const auto readers = Channel();
  const auto admins = ChannelTo("unix:" + config_.admin_socket.path);
  std::vector<Watcher> watchers(8);
  for (size_t i = 0; i < 6; ++i) ASSERT_TRUE(watchers[i].Begin(readers));
  Watcher refused;
  EXPECT_FALSE(refused.Begin(readers));
  ExpectRetry(refused.stream->Finish(), "TOO_MANY_WATCHERS");
  for (size_t i = 6; i < 8; ++i) EXPECT_TRUE(watchers[i].Begin(admins));
  Watcher last;
  EXPECT_FALSE(last.Begin(admins));
  ExpectRetry(last.stream->Finish(), "TOO_MANY_WATCHERS");
  for (Watcher& watcher : watchers) watcher.context->TryCancel();
}

TEST_F(LimitsTest, TheLastQuarterOfTheDescriptorsIsNotForClients) {
  Start();
  const auto open_before = Channel();  // stays open, so that no smaller number becomes free
  ASSERT_TRUE(GetInfo(open_before).ok());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  constexpr rlim_t kLimit = 128;
  const rlimit small{kLimit, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
  std::vector<base::UniqueFd> fillers;
  do {
    fillers.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  } while (fillers.back().is_open() && static_cast<rlim_t>(fillers.back().get()) < kLimit / 4 * 3);
  const base::UniqueFd closed = http2::Connect(config_.socket.path);
  EXPECT_TRUE(closed.is_open());
  timeval patience{20, 0};
  setsockopt(closed.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  char byte = 0;
  EXPECT_EQ(recv(closed.get(), &byte, 1, 0), 0);
  EXPECT_THAT(log_.lines(), testing::Contains(HasSubstr("RLIMIT_NOFILE")));
  fillers.clear();
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(GetInfo(Channel()).ok());
}

TEST_F(LimitsTest, SilentConnectionsAreEndedAndKeepNobodyOut) {
  config_.limits.max_connections = 8;
  config_.limits.handshake = std::chrono::milliseconds(200);
  Start();
  std::vector<base::UniqueFd> silent(1000);
  for (base::UniqueFd& connection : silent) connection = http2::Connect(config_.socket.path);
  grpc::ClientContext context;
  SetTestDeadline(context);
  context.set_wait_for_ready(true);  // the backlog may be full for a moment
  v1::GetServerInfoResponse info;
  EXPECT_TRUE(v1::ShmemInspector::NewStub(Channel())->GetServerInfo(&context, {}, &info).ok());
  // The preface alone is a half-open connection, too.
  const base::UniqueFd half = http2::Connect(config_.socket.path);
  EXPECT_TRUE(http2::Send(half.get(), "PRI * HTTP/2.0\r\n"));
  silent.push_back(base::UniqueFd(dup(half.get())));
  for (const base::UniqueFd& connection : silent) {
    char byte = 0;
    timeval patience{20, 0};
    setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    errno = 0;
    while (recv(connection.get(), &byte, 1, 0) > 0) {
    }
    ASSERT_NE(errno, EAGAIN) << "still open";
  }
  EXPECT_TRUE(GetInfo(Channel()).ok());
}

// What no client sends: it must end in an answer or a closed connection.
TEST_F(LimitsTest, OddHeadersAmongManyAreSurvived) {
  Start();
  const std::string path = "/vhost.shmem.v1.ShmemInspector/GetServerInfo";
  std::string many;
  for (int i = 0; i < 80; ++i) many += http2::Header("x-" + std::to_string(i), std::string(115, 'v'));
  for (const std::string& odd : {http2::CallHeaders(path, "http", "x"), http2::CallHeaders(path, "x"),
                                 http2::CallHeaders(path) + http2::Header("grpclb_client_stats", "x")}) {
    for (const std::string& block : {odd, odd + many, many + odd}) {
      const base::UniqueFd connection = http2::Connect(config_.socket.path);
      timeval patience{20, 0};
      setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
      EXPECT_TRUE(http2::Send(connection.get(),
                              http2::Preface() + http2::Frame(http2::kSettings, http2::kAck, 0) +
                                  http2::Frame(http2::kHeaders, http2::kEndHeaders, 1, block) +
                                  http2::Frame(http2::kData, http2::kEndStream, 1, http2::EmptyMessage()) +
                                  http2::Frame(http2::kPing, 0, 0, "odd ping")));
      // Read until the ping comes back, which is after all of it was parsed, or the end.
      std::string answer;
      char bytes[4096];
      ssize_t got = 0;
      while (answer.find("odd ping") == std::string::npos &&
             (got = recv(connection.get(), bytes, sizeof(bytes), 0)) > 0) {
        answer.append(bytes, static_cast<size_t>(got));
      }
      EXPECT_FALSE(got < 0 && errno == EAGAIN) << "neither an answer nor the end";
      EXPECT_TRUE(GetInfo(Channel()).ok());
    }
  }
}

class ShutdownTest : public AccessTest {
 protected:
  static constexpr std::chrono::seconds kLong{60};
  static constexpr int64_t kShortNs = 20'000'000'000;

  // A client that sends one call and does nothing more by itself.
  base::UniqueFd Call(const std::string& method, const std::string& settings) {
    base::UniqueFd connection = http2::Connect(config_.socket.path);
    const std::string headers = http2::CallHeaders("/vhost.shmem.v1.ShmemInspector/" + method);
    EXPECT_TRUE(http2::Send(connection.get(),
                            http2::Preface() + settings + http2::Frame(http2::kSettings, http2::kAck, 0) +
                                http2::Frame(http2::kHeaders, http2::kEndHeaders, 1, headers) +
                                http2::Frame(http2::kData, http2::kEndStream, 1, http2::EmptyMessage())));
    return connection;
  }
  void WaitUntil(const std::function<bool()>& condition) {
    const int64_t deadline_ns = base::MonotonicNanos() + kShortNs;
    while (!condition() && base::MonotonicNanos() < deadline_ns) std::this_thread::yield();
    ASSERT_TRUE(condition());
  }
  bool HasAnswered(const std::string& method) {
    const feed::CallStats& stats = server_->call_stats();
    return stats.Read(stats.Find("/vhost.shmem.v1.ShmemInspector/" + method).value()).handled[0] == 1;
  }
  void ExpectQuickShutdown() {
    const int64_t start_ns = base::MonotonicNanos();
    server_->Shutdown(kLong);
    EXPECT_LT(base::MonotonicNanos() - start_ns, kShortNs);
  }
};

TEST_F(ShutdownTest, AConnectionWithoutCallsDoesNotHoldItUp) {
  Start();
  const base::UniqueFd idle = Call("GetServerInfo", "");
  WaitUntil([this] { return HasAnswered("GetServerInfo"); });
  ExpectQuickShutdown();
}

TEST_F(ShutdownTest, AWatcherThatDoesNotReadIsCutOff) {
  Start();
  const base::UniqueFd stalled = Call("Watch", http2::ClosedWindow());
  WaitUntil([this] { return server_->watcher_count() == 1; });
  ExpectQuickShutdown();
}

TEST_F(ShutdownTest, CallsAreWaitedForAndNobodyWaitsInTheBacklogMeanwhile) {
  config_.listen = "127.0.0.1:0";
  Start();
  base::UniqueFd slow = Call("GetServerInfo", http2::ClosedWindow());
  WaitUntil([this] { return HasAnswered("GetServerInfo"); });
  const std::string address = server_->listen_address();
  sockaddr_in port{};
  port.sin_family = AF_INET;
  port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  port.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  std::atomic<bool> ended{false};
  std::thread shutdown([&] {
    server_->Shutdown(kLong);
    ended.store(true);
  });
  WaitUntil([&] {
    const base::UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return connect(client.get(), reinterpret_cast<sockaddr*>(&port), sizeof(port)) != 0 &&
           errno == ECONNREFUSED;
  });
  EXPECT_FALSE(ended.load());
  slow = base::UniqueFd();
  shutdown.join();
}

TEST_F(LimitsTest, AnOpenReflectionStreamDoesNotHoldUpTheEnd) {
  Start();
  grpc::ClientContext context;
  SetTestDeadline(context);
  const auto stub = grpc::reflection::v1::ServerReflection::NewStub(Channel());
  const auto stream = stub->ServerReflectionInfo(&context);
  grpc::reflection::v1::ServerReflectionRequest request;
  request.set_list_services("*");
  grpc::reflection::v1::ServerReflectionResponse response;
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  const int64_t start_ns = base::MonotonicNanos();
  server_->Shutdown(std::chrono::seconds(20));
  EXPECT_LT(base::MonotonicNanos() - start_ns, 10'000'000'000);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(stream->Finish(), IsError(StatusCode::UNAVAILABLE, "SHUTTING_DOWN"));
}

}  // namespace
}  // namespace shmemd::api
