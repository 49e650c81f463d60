#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "tests/api/api_fixture.h"

namespace shmemd::api {
namespace {

using feed::CommandFailure;
using grpc::StatusCode;
using testing::HasSubstr;

class AdminTest : public ApiTest {
 protected:
  template <typename Stub>
  grpc::Status Refresh(Stub& stub, const std::string& name, v1::Backend& backend) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    v1::RefreshBackendRequest request;
    request.set_name(name);
    return stub.RefreshBackend(&context, request, &backend);
  }
  grpc::Status Refresh(const std::string& name) {
    v1::Backend backend;
    return Refresh(*admin_, name, backend);
  }
  grpc::Status Probe(const std::string& socket, v1::ProbeReport& report) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    v1::ProbeBackendRequest request;
    request.set_socket(socket);
    return admin_->ProbeBackend(&context, request, &report);
  }
};

feed::CommandResult Failed(CommandFailure failure, std::string message) {
  return {failure, std::move(message), std::nullopt};
}

TEST_F(AdminTest, ARefreshShowsWhatItChanged) {
  fleet_.Attach("gpu0");
  ScriptedMover mover(control_, [&](const feed::Command& command) {
    EXPECT_EQ(std::get<feed::RefreshCommand>(command.body).backend_id, "gpu0");
    fleet_.Connect("gpu0");
    return std::optional(feed::CommandResult{});
  });
  v1::Backend backend;
  const grpc::Status status = Refresh(*admin_, "backends/gpu0", backend);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(backend.name(), "backends/gpu0");
  EXPECT_EQ(backend.state(), v1::Backend::ACTIVE);
}

TEST_F(AdminTest, EachFailureHasItsCodeAndReason) {
  std::atomic<CommandFailure> failure{};
  ScriptedMover mover(control_,
                      [&](const feed::Command&) { return std::optional(Failed(failure, "back-end x: no")); });
  const std::tuple<CommandFailure, StatusCode, const char*> cases[] = {
      {CommandFailure::kBackendNotFound, StatusCode::NOT_FOUND, "BACKEND_NOT_FOUND"},
      {CommandFailure::kShmemNotNegotiated, StatusCode::FAILED_PRECONDITION, "SHMEM_NOT_NEGOTIATED"},
      {CommandFailure::kShmemConfigInvalid, StatusCode::FAILED_PRECONDITION, "SHMEM_CONFIG_INVALID"},
      {CommandFailure::kBackendUnreachable, StatusCode::UNAVAILABLE, "BACKEND_UNREACHABLE"},
      {CommandFailure::kQueryNotAllowed, StatusCode::FAILED_PRECONDITION, "QUERY_NOT_ALLOWED"},
      {CommandFailure::kBackendBusy, StatusCode::ABORTED, "BACKEND_BUSY"},
      {CommandFailure::kTooManyCommands, StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_COMMANDS"},
      {CommandFailure::kShuttingDown, StatusCode::UNAVAILABLE, "SHUTTING_DOWN"},
  };
  for (const auto& [given, code, reason] : cases) {
    failure = given;
    const grpc::Status status = Refresh("backends/x");
    EXPECT_THAT(status, IsError(code, reason));
    EXPECT_EQ(status.error_message(), "back-end x: no");
    EXPECT_EQ(ErrorInfoOf(status).metadata().at("backend"), "x");
  }
  failure = CommandFailure::kBackendBusy;
  v1::ProbeReport report;
  EXPECT_THAT(Probe("/run/x.sock", report), IsError(StatusCode::FAILED_PRECONDITION, "BACKEND_BUSY"));
}

TEST_F(AdminTest, ARefreshGoesToTheMoverThatHasTheBackend) {
  fleet_.Attach("gpu0");
  fleet_.Attach("vm0", state::Mode::kRelay);
  const auto answer = [](const std::string& mover) {
    return [mover](const feed::Command& command) {
      return std::optional(Failed(CommandFailure::kQueryNotAllowed,
                                  mover + " has " + std::get<feed::RefreshCommand>(command.body).backend_id));
    };
  };
  ScriptedMover frontend(control_, answer("frontend"));
  ScriptedMover relay(relay_control_, answer("relay"));
  EXPECT_EQ(Refresh("backends/gpu0").error_message(), "frontend has gpu0");
  const grpc::Status status = Refresh("backends/vm0");
  EXPECT_THAT(status, IsError(StatusCode::FAILED_PRECONDITION, "QUERY_NOT_ALLOWED"));
  EXPECT_EQ(status.error_message(), "relay has vm0");
  EXPECT_EQ(Refresh("backends/unknown").error_message(), "frontend has unknown");
}

// A probe that connects to either might take the back-end from its VM.
TEST_F(AdminTest, TheSocketsOfARelayAreNotProbed) {
  fleet_.Attach("gpu0");
  fleet_.Attach("vm0", state::Mode::kRelay);
  ScriptedMover frontend(control_, [](const feed::Command& command) {
    return std::optional(Failed(CommandFailure::kBackendUnreachable,
                                "asked " + std::get<feed::ProbeCommand>(command.body).socket));
  });
  v1::ProbeReport report;
  for (const std::string socket : {"/run/vm0.sock", "/run/vm/vm0.sock", "/run/./vm/../vm0.sock"}) {
    const grpc::Status status = Probe(socket, report);
    EXPECT_THAT(status, IsError(StatusCode::FAILED_PRECONDITION, "BACKEND_BUSY")) << socket;
    EXPECT_EQ(status.error_message(), "probe " + socket + ": in use by back-end vm0, which is relayed");
    EXPECT_EQ(ErrorInfoOf(status).metadata().at("socket"), socket);
  }
  for (const std::string socket : {"/run/gpu0.sock", "/run/vm0.sock2"}) {
    EXPECT_EQ(Probe(socket, report).error_message(), "asked " + socket) << "for the mover to say";
  }
}

TEST_F(AdminTest, AProbeBringsItsReport) {
  ScriptedMover mover(control_, [](const feed::Command& command) {
    feed::CommandResult result;
    result.report.emplace();
    result.report->socket = std::get<feed::ProbeCommand>(command.body).socket;
    result.report->regions = {{2, 0x1000}};
    return std::optional(result);
  });
  v1::ProbeReport report;
  const grpc::Status status = Probe("/run/new.sock", report);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(report.socket(), "/run/new.sock");
  ASSERT_EQ(report.regions_size(), 1);
  EXPECT_EQ(report.regions(0).shmid(), 2);
}

TEST_F(AdminTest, SocketsThatCannotBeAreRefused) {
  v1::ProbeReport report;
  for (const std::string& socket : {std::string(), std::string("relative.sock"), std::string("/run/a\0b", 8),
                                    "/" + std::string(108, 'x')}) {
    EXPECT_THAT(Probe(socket, report), IsError(StatusCode::INVALID_ARGUMENT, "SOCKET_PATH_INVALID"));
  }
  EXPECT_THAT(Refresh("gpu0"), IsError(StatusCode::INVALID_ARGUMENT, "RESOURCE_NAME_INVALID"));
}

TEST_F(AdminTest, TheReadSocketRefusesAndNamesTheAdminSocket) {
  fleet_.Attach("gpu0");
  const auto stub = v1::ShmemAdmin::NewStub(channel_);
  v1::Backend backend;
  const grpc::Status refresh = Refresh(*stub, "backends/gpu0", backend);
  EXPECT_THAT(refresh, IsError(StatusCode::PERMISSION_DENIED, "ADMIN_ROLE_REQUIRED"));
  EXPECT_THAT(refresh.error_message(), HasSubstr(config_.admin_socket.path));

  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::ProbeReport report;
  EXPECT_THAT(stub->ProbeBackend(&context, v1::ProbeBackendRequest(), &report),
              IsError(StatusCode::PERMISSION_DENIED, "ADMIN_ROLE_REQUIRED"));
}

TEST_F(AdminTest, TheAdminSocketReadsToo) {
  fleet_.Attach("gpu0");
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::ListBackendsResponse response;
  ASSERT_TRUE(v1::ShmemInspector::NewStub(admin_channel_)
                  ->ListBackends(&context, v1::ListBackendsRequest(), &response)
                  .ok());
  EXPECT_EQ(response.backends_size(), 1);
}

TEST_F(AdminTest, TheClientsDeadlineIsTheCommands) {
  std::promise<int64_t> deadline;
  ScriptedMover mover(control_, [&](const feed::Command& command) {
    deadline.set_value(command.deadline_ns);
    return std::optional<feed::CommandResult>();
  });
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(300));
  v1::RefreshBackendRequest request;
  request.set_name("backends/x");
  v1::Backend backend;
  const int64_t start = base::MonotonicNanos();
  const grpc::Status status = admin_->RefreshBackend(&context, request, &backend);
  EXPECT_THAT(status.error_code(), testing::AnyOf(StatusCode::DEADLINE_EXCEEDED, StatusCode::ABORTED));
  const int64_t allowed = deadline.get_future().get() - start;
  EXPECT_GT(allowed, 0);
  EXPECT_LT(allowed, 2'000'000'000);
}

TEST_F(AdminTest, WithoutADeadlineTheServerHasOne) {
  std::promise<int64_t> deadline;
  ScriptedMover mover(control_, [&](const feed::Command& command) {
    deadline.set_value(command.deadline_ns);
    return std::optional(feed::CommandResult{CommandFailure::kBackendNotFound, "", std::nullopt});
  });
  grpc::ClientContext context;
  v1::RefreshBackendRequest request;
  request.set_name("backends/x");
  v1::Backend backend;
  const int64_t start = base::MonotonicNanos();
  EXPECT_THAT(admin_->RefreshBackend(&context, request, &backend),
              IsError(StatusCode::NOT_FOUND, "BACKEND_NOT_FOUND"));
  EXPECT_LE(deadline.get_future().get() - start, 12'000'000'000);
}

// The client goes while the command waits; the answer comes after.
TEST_F(AdminTest, AnAnswerToACallThatWasCancelledHurtsNobody) {
  fleet_.Attach("gpu0");
  std::promise<void> taken;
  std::promise<void> cancelled;
  std::atomic<int> commands{0};
  ScriptedMover mover(control_, [&](const feed::Command&) {
    if (commands++ == 0) {
      taken.set_value();
      cancelled.get_future().wait();
    }
    return std::optional(feed::CommandResult{});
  });
  grpc::ClientContext context;
  SetTestDeadline(context);
  auto call = std::async(std::launch::async, [&] {
    v1::RefreshBackendRequest request;
    request.set_name("backends/gpu0");
    v1::Backend backend;
    return admin_->RefreshBackend(&context, request, &backend);
  });
  taken.get_future().wait();
  context.TryCancel();
  EXPECT_EQ(call.get().error_code(), StatusCode::CANCELLED);
  cancelled.set_value();
  EXPECT_TRUE(Refresh("backends/gpu0").ok());
}

TEST_F(AdminTest, ShutdownEndsACallThatWaits) {
  std::promise<void> taken;
  ScriptedMover mover(control_, [&](const feed::Command&) {
    taken.set_value();
    return std::optional<feed::CommandResult>();
  });
  auto call = std::async(std::launch::async, [&] { return Refresh("backends/gpu0"); });
  taken.get_future().wait();
  server_.Shutdown(std::chrono::milliseconds(50));
  EXPECT_FALSE(call.get().ok());
}

}  // namespace
}  // namespace shmemd::api
