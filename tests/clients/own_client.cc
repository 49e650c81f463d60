// own-client: one call through the client library, told and answered in JSON, so that its answers can be
// compared with those of other clients. Prints each message of the answer on a line; an error goes to stderr
// as JSON, with exit code 1.
//
//   own-client [--ca FILE --cert FILE --key FILE] ENDPOINT SERVICE/METHOD REQUEST
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/support/status.h>

#include <array>
#include <condition_variable>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "shmemd/client.h"
#include "shmemd/error.h"
#include "shmemd/watcher.h"

namespace shmemd::client {
namespace {

using google::protobuf::util::JsonStringToMessage;
using google::protobuf::util::MessageToJsonString;

void Print(const google::protobuf::Message& message) {
  std::string json;
  if (!MessageToJsonString(message, &json).ok()) std::abort();
  std::cout << json << std::endl;
}

// Up to the first time that all is there. The library hands over what is in the answers of Watch; it is put
// into answers again.
class PrintingSink final : public WatchSink {
 public:
  void OnSnapshot(const v1::Snapshot& part) override {
    v1::WatchResponse response;
    *response.mutable_snapshot() = part;
    Print(response);
  }
  void OnSynced(int64_t) override {
    v1::WatchResponse response;
    response.mutable_synced();
    Print(response);
    Finish(absl::OkStatus());
  }
  void OnChange(const v1::Change&, int64_t) override {}
  bool OnBroken(const absl::Status& status, std::chrono::milliseconds) override {
    Finish(status);
    return false;
  }

  absl::Status Wait() {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [this] { return status_.has_value(); });
    return *status_;
  }

 private:
  void Finish(const absl::Status& status) {
    const std::lock_guard lock(mutex_);
    if (!status_) status_ = status;
    finished_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable finished_;
  std::optional<absl::Status> status_;
};

absl::Status Watch(const Client& client, const v1::WatchRequest& request) {
  PrintingSink sink;
  Watcher watcher(client, {.parent = request.parent(), .resume_token = request.resume_token()}, &sink);
  return sink.Wait();
}

using Call = std::function<absl::Status(const Client&, const std::string&)>;

// A call whose function of the library takes what is in `Request`.
template <typename Request, typename Ask>
Call Unary(Ask ask) {
  return [ask](const Client& client, const std::string& json) -> absl::Status {
    Request request;
    const auto parsed = JsonStringToMessage(json, &request);
    if (!parsed.ok()) return absl::InvalidArgumentError(parsed.ToString());
    const auto answer = ask(client, request);
    if (!answer.ok()) return answer.status();
    Print(*answer);
    return absl::OkStatus();
  };
}

std::map<std::string, Call> Calls() {
  const std::string inspector = "vhost.shmem.v1.ShmemInspector/";
  const std::string admin = "vhost.shmem.v1.ShmemAdmin/";
  std::map<std::string, Call> calls;
  calls[inspector + "GetServerInfo"] =
      Unary<v1::GetServerInfoRequest>([](const Client& c, const auto&) { return c.GetServerInfo(); });
  calls[inspector + "ListBackends"] =
      Unary<v1::ListBackendsRequest>([](const Client& c, const auto& r) { return c.ListBackends(r.view()); });
  calls[inspector + "GetBackend"] = Unary<v1::GetBackendRequest>(
      [](const Client& c, const auto& r) { return c.GetBackend(r.name(), r.view()); });
  calls[inspector + "ListRegions"] = Unary<v1::ListRegionsRequest>(
      [](const Client& c, const auto& r) { return c.ListRegions(r.parent(), r.view()); });
  calls[inspector + "GetRegion"] = Unary<v1::GetRegionRequest>(
      [](const Client& c, const auto& r) { return c.GetRegion(r.name(), r.view()); });
  calls[inspector + "GetRegionLayout"] = Unary<v1::GetRegionLayoutRequest>(
      [](const Client& c, const auto& r) { return c.GetRegionLayout(r.name()); });
  calls[inspector + "ListMappings"] = Unary<v1::ListMappingsRequest>(
      [](const Client& c, const auto& r) { return c.ListMappings(r.parent(), r.filter(), r.order_by()); });
  calls[inspector + "LookupMapping"] = Unary<v1::LookupMappingRequest>(
      [](const Client& c, const auto& r) { return c.LookupMapping(r.name(), r.shm_offset_bytes()); });
  calls[inspector + "ListFindings"] = Unary<v1::ListFindingsRequest>(
      [](const Client& c, const auto& r) { return c.ListFindings(r.parent(), r.include_closed()); });
  calls[inspector + "ListEvents"] =
      Unary<v1::ListEventsRequest>([](const Client& c, const auto& r) { return c.ListEvents(r); });
  calls[admin + "AttachBackend"] =
      Unary<v1::AttachBackendRequest>([](const Client& c, const auto& r) { return c.AttachBackend(r); });
  calls[admin + "DetachBackend"] = Unary<v1::DetachBackendRequest>(
      [](const Client& c, const auto& r) { return c.DetachBackend(r.name(), r.end_sessions()); });
  calls[admin + "RefreshBackend"] = Unary<v1::RefreshBackendRequest>(
      [](const Client& c, const auto& r) { return c.RefreshBackend(r.name()); });
  calls[admin + "ProbeBackend"] = Unary<v1::ProbeBackendRequest>(
      [](const Client& c, const auto& r) { return c.ProbeBackend(r.socket()); });
  calls[admin + "ResetRegionPeaks"] = Unary<v1::ResetRegionPeaksRequest>(
      [](const Client& c, const auto& r) { return c.ResetRegionPeaks(r.name()); });
  calls["grpc.health.v1.Health/Check"] = [](const Client& c, const std::string&) {
    const auto health = c.CheckHealth();
    if (health.ok()) std::cout << "{\"status\": \"" << health->status << "\"}" << std::endl;
    return health.status();
  };
  calls[inspector + "Watch"] = [](const Client& c, const std::string& json) {
    v1::WatchRequest request;
    const auto parsed = JsonStringToMessage(json, &request);
    return parsed.ok() ? Watch(c, request) : absl::InvalidArgumentError(parsed.ToString());
  };
  return calls;
}

// As google.rpc.Code spells it.
std::string CodeName(const absl::Status& status) { return absl::StatusCodeToString(status.code()); }

int Fail(const absl::Status& status) {
  google::protobuf::Struct error;
  auto& fields = *error.mutable_fields();
  fields["code"].set_string_value(CodeName(status));
  fields["reason"].set_string_value(ErrorReason(status));
  fields["message"].set_string_value(std::string(status.message()));
  std::string json;
  if (!MessageToJsonString(error, &json).ok()) std::abort();
  std::cerr << json << std::endl;
  return 1;
}

int Run(int argc, char** argv) {
  CLI::App app("One call through the client library, in JSON");
  ClientOptions options;
  TlsFiles tls;
  std::string method;
  std::string request;
  app.add_option("--ca", tls.ca);
  app.add_option("--cert", tls.certificate);
  app.add_option("--key", tls.key);
  app.add_option("ENDPOINT", options.endpoint)->required();
  app.add_option("METHOD", method)->required();
  app.add_option("REQUEST", request)->required();
  CLI11_PARSE(app, argc, argv);
  if (!tls.ca.empty()) options.tls = tls;
  const auto client = Client::Create(options);
  if (!client.ok()) return Fail(client.status());
  const std::map<std::string, Call> calls = Calls();
  const auto call = calls.find(method);
  if (call == calls.end()) return Fail(absl::UnimplementedError(method));
  const absl::Status status = call->second(*client, request);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace
}  // namespace shmemd::client

int main(int argc, char** argv) { return shmemd::client::Run(argc, argv); }
