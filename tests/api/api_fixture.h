// A real ApiServer on real Unix sockets, with a fleet to show, a mover that answers as told, and clients.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/api/api_server.h"
#include "server/base/clock.h"
#include "server/base/unique_fd.h"
#include "tests/api/fleet.h"
#include "vhost/shmem/v1/admin.grpc.pb.h"
#include "vhost/shmem/v1/inspector.grpc.pb.h"

namespace shmemd::api {

class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/shmemd-api-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Mover and hub of the command path in one thread. `answer` is asked for each command; nullopt: never
// answered.
class ScriptedMover {
 public:
  using Answer = std::function<std::optional<feed::CommandResult>(const feed::Command&)>;

  ScriptedMover(feed::Control& control, Answer answer) : control_(control), answer_(std::move(answer)) {
    thread_ = std::thread([this] { Run(); });
  }
  ~ScriptedMover() {
    eventfd_write(stop_.get(), 1);
    thread_.join();
    control_.Shutdown();
  }
  ScriptedMover(const ScriptedMover&) = delete;
  ScriptedMover& operator=(const ScriptedMover&) = delete;

 private:
  void Run() {
    constexpr int kTickMs = 10;  // what is late is noticed by the clock alone
    pollfd waiting[] = {{stop_.get(), POLLIN, 0}, {control_.event_fd(), POLLIN, 0}};
    while (poll(waiting, 2, kTickMs) >= 0 && waiting[0].revents == 0) {
      for (const feed::Command& command : control_.Take()) {
        if (auto result = answer_(command)) control_.Complete(command.id, *std::move(result));
      }
      control_.CollectAnswers();
      control_.RunCompletions(base::MonotonicNanos(), true);
    }
  }

  feed::Control& control_;
  Answer answer_;
  base::UniqueFd stop_{eventfd(0, EFD_CLOEXEC)};
  std::thread thread_;
};

inline std::shared_ptr<grpc::Channel> ChannelTo(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

// Fails, instead of hanging, when nobody answers.
inline void SetTestDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
}

// The ErrorInfo that came with a status, as a client reads it.
inline google::rpc::ErrorInfo ErrorInfoOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), status.error_code());
  EXPECT_EQ(details.message(), status.error_message());
  EXPECT_EQ(details.details_size(), 1);
  if (details.details_size() == 1) {
    EXPECT_TRUE(details.details(0).UnpackTo(&info));
  }
  EXPECT_EQ(info.domain(), "shmem.vhost");
  return info;
}

MATCHER_P2(IsError, code, reason, "") {
  *result_listener << "code " << arg.error_code() << ": " << arg.error_message();
  return arg.error_code() == code && ErrorInfoOf(arg).reason() == reason;
}

inline ApiConfig ConfigIn(const TempDir& directory) {
  ApiConfig config;
  config.socket.path = directory.File("run/api.sock");
  config.admin_socket.path = directory.File("run/admin.sock");
  config.facts = {"1.2.3", Fleet::kStartNs, kPage, 1024, uint64_t{1} << 40};
  return config;
}

class ApiTest : public testing::Test {
 protected:
  ApiTest() : server_(config_, fleet_.reader(), control_, &relay_control_) {}

  void SetUp() override {
    ASSERT_EQ(server_.Start(), absl::OkStatus());
    channel_ = ChannelTo("unix:" + config_.socket.path);
    admin_channel_ = ChannelTo("unix:" + config_.admin_socket.path);
    inspector_ = v1::ShmemInspector::NewStub(channel_);
    admin_ = v1::ShmemAdmin::NewStub(admin_channel_);
  }

  // One call of the inspector: Call(&v1::ShmemInspector::Stub::GetRegion, request, response).
  template <typename Method, typename Request, typename Response>
  grpc::Status Call(Method method, const Request& request, Response& response) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    return (inspector_.get()->*method)(&context, request, &response);
  }

  TempDir directory_;
  ApiConfig config_ = ConfigIn(directory_);
  Fleet fleet_;
  feed::Control control_;
  feed::Control relay_control_;
  ApiServer server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::shared_ptr<grpc::Channel> admin_channel_;
  std::unique_ptr<v1::ShmemInspector::Stub> inspector_;
  std::unique_ptr<v1::ShmemAdmin::Stub> admin_;
};

}  // namespace shmemd::api
