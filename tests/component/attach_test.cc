// Back-ends that come and go by RPC: what is answered, and what readers see.
#include <atomic>
#include <thread>

#include "tests/component/attach_fixture.h"
#include "tests/peers/backend_thread.h"
#include "tests/peers/script.h"

namespace shmemd::component {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST_F(AttachTest, AnAttachedBackendIsShownAtOnceAndFollowed) {
  peers::BackendThread backend(peers::DefaultScript());
  Start();
  v1::Backend attached;
  ASSERT_THAT(admin_->Attach(FrontendRequest("gpu0", backend.socket_path()), &attached), IsOk());
  EXPECT_EQ(attached.name(), "backends/gpu0");
  EXPECT_EQ(attached.origin(), v1::Backend::RPC);
  EXPECT_EQ(attached.mode(), v1::Backend::FRONTEND);
  EXPECT_EQ(attached.backend_socket(), backend.socket_path());
  EXPECT_NE(attached.uid(), "");
  EXPECT_THAT(Ids(), ElementsAre("gpu0"));
  EXPECT_GE(
      MillisecondsUntil([&] { return view_->Backend("gpu0").state() == v1::Backend::ACTIVE; }, kPatience), 0);
  EXPECT_TRUE(Logged("attached by RPC: back-end gpu0: frontend, connects to"));
}

TEST_F(AttachTest, TheSameAgainIsTheSameAndAnotherWayIsRefused) {
  Start({"--frontend", "cfg0=" + Path("cfg0.sock")});
  v1::Backend first;
  v1::Backend again;
  ASSERT_THAT(admin_->Attach(FrontendRequest("gpu0", Path("gpu0.sock")), &first), IsOk());
  ASSERT_THAT(admin_->Attach(FrontendRequest("gpu0", Path("gpu0.sock")), &again), IsOk());
  EXPECT_EQ(again.uid(), first.uid());
  EXPECT_THAT(admin_->AttachFrontend("cfg0", Path("cfg0.sock")), IsOk()) << "whoever named it";
  EXPECT_EQ(view_->Backend("cfg0").origin(), v1::Backend::CONFIG);

  const grpc::Status other = admin_->AttachFrontend("gpu0", Path("other.sock"));
  EXPECT_THAT(other, IsError(StatusCode::ALREADY_EXISTS, "ALREADY_ATTACHED"));
  EXPECT_EQ(ErrorInfoOf(other).metadata().at("backend"), "gpu0");
  EXPECT_THAT(admin_->Attach(RelayRequest("gpu0", Path("vm.sock"), Path("gpu0.sock"))),
              IsError(StatusCode::ALREADY_EXISTS, "ALREADY_ATTACHED"));
}

TEST_F(AttachTest, ASocketHasOneBackend) {
  Start({"--frontend", "cfg0=" + Path("cfg0.sock"), "--relay",
         "media0=" + Path("vm.sock") + "," + Path("media0.sock")});
  for (const std::string& taken :
       {Path("cfg0.sock"), Path("./x/../cfg0.sock"), Path("vm.sock"), Path("media0.sock")}) {
    const grpc::Status status = admin_->AttachFrontend("gpu0", taken);
    EXPECT_THAT(status, IsError(StatusCode::FAILED_PRECONDITION, "BACKEND_BUSY")) << taken;
    EXPECT_THAT(status.error_message(), HasSubstr(taken + " is in use by back-end "));
  }
  // An alias is seen by what it leads to.
  std::filesystem::create_symlink(Path("vm.sock"), Path("alias.sock"));
  EXPECT_THAT(admin_->AttachFrontend("gpu0", Path("alias.sock")),
              IsError(StatusCode::FAILED_PRECONDITION, "BACKEND_BUSY"));
  grpc::ClientContext context;
  AdminClient::SetDeadline(context);
  v1::ProbeBackendRequest probe;
  probe.set_socket(Path("alias.sock"));
  v1::ProbeReport report;
  EXPECT_THAT(admin_->stub().ProbeBackend(&context, probe, &report),
              IsError(StatusCode::FAILED_PRECONDITION, "BACKEND_BUSY"));
  EXPECT_THAT(admin_->AttachFrontend("gpu0", Path("free.sock")), IsOk());
  EXPECT_THAT(admin_->AttachFrontend("gpu1", Path("free.sock")),
              IsError(StatusCode::FAILED_PRECONDITION, "BACKEND_BUSY"));
  ASSERT_THAT(admin_->Detach("gpu0"), IsOk());
  EXPECT_THAT(admin_->AttachFrontend("gpu1", Path("free.sock")), IsOk()) << "it is free again";
}

TEST_F(AttachTest, WhatMakesNoSenseIsNamedByItsField) {
  Start();
  using Change = std::function<void(v1::AttachBackendRequest&)>;
  const auto backend = [](auto set) {
    return Change([set](v1::AttachBackendRequest& request) { set(*request.mutable_backend()); });
  };
  const std::tuple<std::string, bool, Change> cases[] = {
      {"backend_id", false, [](auto& request) { request.set_backend_id("GPU 0"); }},
      {"backend_id", false, [](auto& request) { request.set_backend_id(""); }},
      {"backend.name", false, backend([](auto& b) { b.set_name("backends/gpu1"); })},
      {"backend.mode", false, backend([](auto& b) { b.clear_mode(); })},
      {"backend.mode", false, backend([](auto& b) { b.set_mode(static_cast<v1::Backend::Mode>(9)); })},
      {"backend.backend_socket", false, backend([](auto& b) { b.clear_backend_socket(); })},
      {"backend.backend_socket", false, backend([](auto& b) { b.set_backend_socket("relative"); })},
      {"backend.backend_socket", false,
       backend([](auto& b) { b.set_backend_socket("/" + std::string(108, 'x')); })},
      {"backend.backend_socket", false,
       backend([](auto& b) { b.set_backend_socket(std::string("/a\0b", 4)); })},
      {"backend.backend_socket", false,
       backend([&](auto& b) { b.set_backend_socket(Path("run/api.sock")); })},
      {"backend.frontend_socket", false, backend([](auto& b) { b.set_frontend_socket("/x"); })},
      {"backend.backend_socket_role", false,
       backend([](auto& b) { b.set_backend_socket_role(v1::Backend::LISTEN); })},
      {"backend.guard", false, backend([](auto& b) { b.set_guard(v1::Backend::WARN); })},
      {"backend.listen_options", false, backend([](auto& b) { b.mutable_listen_options(); })},
      {"backend.frontend_socket", true, backend([](auto& b) { b.clear_frontend_socket(); })},
      {"backend.backend_socket", true, backend([](auto& b) { b.set_backend_socket(b.frontend_socket()); })},
      {"backend.query", true, backend([](auto& b) { b.set_query(static_cast<v1::Backend::Query>(7)); })},
      {"backend.frontend_socket_role", true,
       backend([](auto& b) { b.set_frontend_socket_role(static_cast<v1::Backend::SocketRole>(7)); })},
      {"backend.listen_options.mode", true,
       backend([](auto& b) { b.mutable_listen_options()->set_mode(01000); })},
      {"backend.listen_options.uid", true,
       backend([](auto& b) { b.mutable_listen_options()->set_uid(~0U); })},
      {"backend.listen_options.gid", true,
       backend([](auto& b) { b.mutable_listen_options()->set_gid(~0U); })},
  };
  for (const auto& [field, relay, change] : cases) {
    v1::AttachBackendRequest request = relay ? RelayRequest("gpu0", Path("vm.sock"), Path("gpu0.sock"))
                                             : FrontendRequest("gpu0", Path("gpu0.sock"));
    change(request);
    for (const bool validate_only : {true, false}) {
      request.set_validate_only(validate_only);
      const grpc::Status status = admin_->Attach(request);
      ASSERT_THAT(status, IsError(StatusCode::INVALID_ARGUMENT, "BACKEND_INVALID")) << request.DebugString();
      EXPECT_EQ(ErrorInfoOf(status).metadata().at("field"), field) << status.error_message();
    }
  }
  EXPECT_THAT(Ids(), IsEmpty());
}

// A client refuses an error of more than 8 KiB, and then shows none.
TEST_F(AttachTest, WhatIsMuchTooLongIsNamedAllTheSame) {
  Start();
  const std::string text(60'000, '\x01');
  std::vector<std::pair<std::string, v1::AttachBackendRequest>> cases = {
      {"backend_id", FrontendRequest(text, Path("gpu0.sock"))},
      {"backend.name", FrontendRequest("gpu0", Path("gpu0.sock"))},
      {"backend.backend_socket", FrontendRequest("gpu0", text)},
      {"backend.backend_socket", FrontendRequest("gpu0", "/" + text)},
      {"backend.frontend_socket", RelayRequest("gpu0", text, Path("gpu0.sock"))}};
  cases[1].second.mutable_backend()->set_name(text);
  std::string letters = "x";
  while (letters.size() < 60'000) letters += "\xc3\xa9";
  cases.emplace_back("backend.backend_socket", FrontendRequest("gpu0", letters));
  for (const auto& [field, request] : cases) {
    const grpc::Status status = admin_->Attach(request);
    ASSERT_THAT(status, IsError(StatusCode::INVALID_ARGUMENT, "BACKEND_INVALID")) << field;
    EXPECT_EQ(ErrorInfoOf(status).metadata().at("field"), field);
    EXPECT_LT(status.error_message().size(), 1000u);
  }
}

TEST_F(AttachTest, ValidationAloneAttachesNothing) {
  Start({"--limits-max-backends", "1"});
  v1::AttachBackendRequest request = RelayRequest("media0", Path("vm.sock"), Path("media0.sock"));
  request.mutable_backend()->set_guard(v1::Backend::PROTECT);
  request.mutable_backend()->mutable_listen_options()->set_mode(0600);
  request.set_validate_only(true);
  v1::Backend shown;
  ASSERT_THAT(admin_->Attach(request, &shown), IsOk());
  EXPECT_EQ(shown.name(), "backends/media0");
  EXPECT_EQ(shown.uid(), "");
  EXPECT_EQ(shown.guard(), v1::Backend::PROTECT);
  EXPECT_EQ(shown.query(), v1::Backend::SNOOP);
  EXPECT_EQ(shown.frontend_socket_role(), v1::Backend::LISTEN);
  EXPECT_EQ(shown.listen_options().mode(), 0600u);
  EXPECT_THAT(Ids(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(Path("vm.sock")));

  request.set_validate_only(false);
  v1::Backend attached;
  ASSERT_THAT(admin_->Attach(request, &attached), IsOk());
  EXPECT_EQ(attached.listen_options().mode(), 0600u);
  request.set_validate_only(true);
  ASSERT_THAT(admin_->Attach(request, &shown), IsOk());
  EXPECT_EQ(shown.uid(), attached.uid()) << "it is there already";
  v1::AttachBackendRequest another = FrontendRequest("gpu0", Path("gpu0.sock"));
  another.set_validate_only(true);
  EXPECT_THAT(admin_->Attach(another), IsError(StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_BACKENDS"));
}

// What GetBackend shows can be attached as it is, also with everything that is not looked at.
TEST_F(AttachTest, WhatIsShownCanBeAttached) {
  Start({"--guard", "protect", "--query", "inject"});
  for (v1::AttachBackendRequest request : {RelayRequest("media0", Path("vm.sock"), Path("media0.sock")),
                                           FrontendRequest("gpu0", Path("gpu0.sock"))}) {
    ASSERT_THAT(admin_->Attach(request, request.mutable_backend()), IsOk());
    EXPECT_THAT(admin_->Attach(request), IsOk()) << request.DebugString();
    ASSERT_THAT(admin_->Detach(request.backend_id()), IsOk());
    v1::Backend back;
    ASSERT_THAT(admin_->Attach(request, &back), IsOk());
    EXPECT_NE(back.uid(), request.backend().uid());
    EXPECT_EQ(back.guard(), request.backend().guard());
  }
  EXPECT_EQ(view_->Backend("media0").guard(), v1::Backend::PROTECT) << "the settings are the defaults";
  EXPECT_EQ(view_->Backend("media0").query(), v1::Backend::INJECT);
}

TEST_F(AttachTest, ARelayThatCannotListenIsNotAttached) {
  Start();
  std::ofstream(Path("file")) << "precious";
  for (const std::string& path : {Path("missing/vm.sock"), Path("file")}) {
    const grpc::Status status = admin_->Attach(RelayRequest("media0", path, Path("media0.sock")));
    EXPECT_THAT(status, IsError(StatusCode::FAILED_PRECONDITION, "LISTEN_FAILED"));
    EXPECT_THAT(status.error_message(), HasSubstr(path));
    EXPECT_THAT(Ids(), IsEmpty());
  }
  EXPECT_EQ(app::FileText(Path("file")), "precious");
  EXPECT_THAT(admin_->Attach(RelayRequest("media0", Path("vm.sock"), Path("media0.sock"))), IsOk());
}

TEST_F(AttachTest, WhatIsNotThereIsNotFound) {
  Start();
  EXPECT_THAT(admin_->Detach("gpu0"), IsError(StatusCode::NOT_FOUND, "BACKEND_NOT_FOUND"));
  EXPECT_THAT(admin_->Detach("GPU"), IsError(StatusCode::INVALID_ARGUMENT, "RESOURCE_NAME_INVALID"));
  v1::ResetRegionPeaksResponse response;
  EXPECT_THAT(admin_->ResetPeaks("backends/gpu0", &response),
              IsError(StatusCode::NOT_FOUND, "BACKEND_NOT_FOUND"));
  EXPECT_THAT(admin_->ResetPeaks("backends/gpu0/regions/3", &response),
              IsError(StatusCode::NOT_FOUND, "BACKEND_NOT_FOUND"));
  EXPECT_THAT(admin_->ResetPeaks("gpu0", &response),
              IsError(StatusCode::INVALID_ARGUMENT, "RESOURCE_NAME_INVALID"));
}

TEST_F(AttachTest, ADetachedBackendHasNoSeriesAndWatchersAreTold) {
  peers::BackendThread backend(peers::DefaultScript());
  Start();
  ASSERT_THAT(admin_->AttachFrontend("gpu0", backend.socket_path()), IsOk());
  const auto mapped = [&] { return view_->Scraped("vhost_shmem_mapped_bytes", "gpu0").size() == 3; };
  ASSERT_GE(MillisecondsUntil(mapped, kPatience), 0);

  const auto inspector = v1::ShmemInspector::NewStub(
      grpc::CreateChannel("unix:" + shmemd_->api_socket(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  AdminClient::SetDeadline(context);
  v1::WatchRequest request;
  request.add_types(v1::Event::DETACHED);
  const auto stream = inspector->Watch(&context, request);
  v1::WatchResponse response;
  while (stream->Read(&response) && !response.has_synced()) {
  }
  ASSERT_TRUE(response.has_synced());

  v1::DetachBackendResponse gone;
  ASSERT_THAT(admin_->Detach("gpu0", false, &gone), IsOk());
  EXPECT_FALSE(gone.has_backend());
  EXPECT_THAT(Ids(), IsEmpty());
  EXPECT_THAT(metrics::HttpGet(shmemd_->metrics_address(), "/metrics").body, Not(HasSubstr("gpu0")));
  while (stream->Read(&response) && !response.has_change()) {
  }
  EXPECT_EQ(response.change().event().type(), v1::Event::DETACHED);
  context.TryCancel();

  // The same id is another attachment, and the back-end is served again.
  ASSERT_THAT(admin_->AttachFrontend("gpu0", backend.socket_path()), IsOk());
  EXPECT_GE(MillisecondsUntil(mapped, kPatience), 0);
  EXPECT_EQ(view_->Backend("gpu0").connection_epoch(), 1);
}

TEST_F(AttachTest, PeaksStartAgainFromWhatIsMapped) {
  peers::Script script;
  script.regions = {{0, 1 << 20}, {2, 1 << 20}};
  peers::BackendThread backend(script);
  Start({"--frontend", "gpu0=" + backend.socket_path()});
  ASSERT_GE(
      MillisecondsUntil([&] { return view_->Backend("gpu0").state() == v1::Backend::ACTIVE; }, kPatience), 0);
  for (const int shmid : {0, 2}) {
    for (const uint64_t offset : {0x0, 0x10000})
      ASSERT_EQ(backend.Do(peers::Step::Map(static_cast<uint8_t>(shmid), offset, 0x1000)),
                peers::StepAnswer(0));
    ASSERT_EQ(backend.Do(peers::Step::Unmap(static_cast<uint8_t>(shmid), 0x10000, 0x1000)),
              peers::StepAnswer(0));
  }
  using Peaks = std::map<int, int64_t>;
  const auto peaks = [&] { return view_->Scraped("vhost_shmem_mapped_peak_bytes", "gpu0"); };
  ASSERT_GE(MillisecondsUntil([&] { return peaks() == Peaks{{0, 0x2000}, {2, 0x2000}}; }, kPatience), 0);

  v1::ResetRegionPeaksResponse response;
  ASSERT_THAT(admin_->ResetPeaks("backends/gpu0/regions/2", &response), IsOk());
  ASSERT_EQ(response.regions_size(), 1);
  EXPECT_EQ(response.regions(0).name(), "backends/gpu0/regions/2");
  EXPECT_EQ(response.regions(0).peak_mapped_bytes(), 0x1000);
  EXPECT_EQ(response.regions(0).map_request_count(), 2) << "counts never fall";
  EXPECT_EQ(peaks(), (Peaks{{0, 0x2000}, {2, 0x1000}}));
  ASSERT_THAT(admin_->ResetPeaks("backends/gpu0", &response), IsOk());
  EXPECT_EQ(response.regions_size(), 2);
  EXPECT_EQ(peaks(), (Peaks{{0, 0x1000}, {2, 0x1000}}));
  EXPECT_THAT(admin_->ResetPeaks("backends/gpu0/regions/7", &response),
              IsError(StatusCode::NOT_FOUND, "REGION_NOT_FOUND"));
}

TEST_F(AttachTest, AThousandCyclesLeaveNothingBehind) {
  peers::BackendThread backend(peers::DefaultScript());
  StartWithState();
  const auto cycle = [&] {
    ASSERT_THAT(admin_->AttachFrontend("gpu0", backend.socket_path()), IsOk());
    ASSERT_THAT(admin_->Attach(RelayRequest("media0", Path("vm.sock"), Path("media0.sock"))), IsOk());
    ASSERT_THAT(admin_->Detach("gpu0"), IsOk());
    ASSERT_THAT(admin_->Detach("media0"), IsOk());
  };
  cycle();
  const size_t before = FdCountOf(shmemd_->process().pid());
  for (int i = 0; i < 500 && !HasFailure(); ++i) cycle();  // two each
  EXPECT_GE(MillisecondsUntil([&] { return FdCountOf(shmemd_->process().pid()) <= before; }, kPatience), 0)
      << FdCountOf(shmemd_->process().pid()) << " descriptors, before " << before;
  EXPECT_THAT(Ids(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(Path("vm.sock")));
}

TEST_F(AttachTest, AttachAndDetachRaceWithEverythingElse) {
  peers::BackendThread backend(peers::DefaultScript());
  Start();
  std::atomic<bool> end{false};
  std::vector<std::thread> others;
  const auto keep_on = [&](auto call) {
    others.emplace_back([&, call] {
      const AdminClient client(*shmemd_);
      while (!end) call(client);
    });
  };
  keep_on([](const AdminClient& client) {
    const grpc::Status status = client.Refresh("gpu0");
    if (!status.ok()) {
      EXPECT_THAT(ErrorInfoOf(status).reason(),
                  testing::AnyOf("BACKEND_NOT_FOUND", "BACKEND_UNREACHABLE", "BACKEND_BUSY"))
          << status.error_message();
    }
  });
  keep_on([&](const AdminClient& client) {
    grpc::ClientContext context;
    AdminClient::SetDeadline(context);
    v1::ProbeBackendRequest request;
    request.set_socket(Path("nobody.sock"));
    v1::ProbeReport report;
    EXPECT_THAT(client.stub().ProbeBackend(&context, request, &report),
                IsError(StatusCode::UNAVAILABLE, "BACKEND_UNREACHABLE"));
  });
  keep_on([](const AdminClient& client) {
    v1::ResetRegionPeaksResponse response;
    const grpc::Status status = client.ResetPeaks("backends/gpu0", &response);
    EXPECT_TRUE(status.ok() || status.error_code() == StatusCode::NOT_FOUND) << status.error_message();
  });
  for (int i = 0; i < 200 && !HasFailure(); ++i) {
    ASSERT_THAT(admin_->AttachFrontend("gpu0", backend.socket_path()), IsOk());
    ASSERT_THAT(admin_->Detach("gpu0"), IsOk());
  }
  end = true;
  for (std::thread& other : others) other.join();
  EXPECT_THAT(Ids(), IsEmpty());
}

TEST_F(AttachTest, TooManyCallsAtATimeAreRefusedAndTheOthersDone) {
  StartWithState();
  constexpr int kClients = 5;
  constexpr int kCalls = 80;
  std::vector<std::unique_ptr<AdminClient>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(std::make_unique<AdminClient>(*shmemd_));
  grpc::CompletionQueue queue;
  struct Call {
    grpc::ClientContext context;
    v1::Backend backend;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::Backend>> reader;
  };
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < kClients * kCalls; ++i) {
    calls.push_back(std::make_unique<Call>());
    Call& call = *calls.back();
    AdminClient::SetDeadline(call.context);
    const std::string id = "gpu" + std::to_string(i);
    call.reader = clients[static_cast<size_t>(i % kClients)]->stub().AsyncAttachBackend(
        &call.context, FrontendRequest(id, Path(id + ".sock")), &queue);
    call.reader->Finish(&call.backend, &call.status, &call);
  }
  size_t done = 0;
  size_t refused = 0;
  for (size_t i = 0; i < calls.size(); ++i) {
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    const grpc::Status& status = static_cast<Call*>(tag)->status;
    if (status.ok()) {
      ++done;
    } else {
      EXPECT_THAT(status, IsError(StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_COMMANDS"));
      ++refused;
    }
  }
  EXPECT_GT(done, 0u);
  EXPECT_GT(refused, 0u);
  EXPECT_EQ(Ids().size(), done);
}

TEST_F(AttachTest, TheReadSocketRefuses) {
  Start();
  const AdminClient reader(shmemd_->api_socket());
  v1::ResetRegionPeaksResponse response;
  const auto refused = IsError(StatusCode::PERMISSION_DENIED, "ADMIN_ROLE_REQUIRED");
  EXPECT_THAT(reader.AttachFrontend("gpu0", Path("gpu0.sock")), refused);
  EXPECT_THAT(reader.Detach("gpu0"), refused);
  EXPECT_THAT(reader.ResetPeaks("backends/gpu0", &response), refused);
}

}  // namespace
}  // namespace shmemd::component
