// Asks a shmemd: every call of ShmemInspector and ShmemAdmin, as functions that block until the answer.
//
//   auto client = shmemd::client::Client::Create({.endpoint = "unix:/run/shmemd/api.sock"});
//   auto backends = client->ListBackends();
//
// A value: copies share one connection, which is made with the first call and again whenever it is lost. Any
// number of threads may use one Client at a time. An error has the code and the message of the server;
// error.h reads its reason. What is not reachable is Unavailable, what took too long DeadlineExceeded.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <grpcpp/channel.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "shmemd/endpoint.h"
#include "vhost/shmem/v1/admin.pb.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

namespace v1 = ::vhost::shmem::v1;

// Files in PEM form. They are read again every minute, so that certificates may be replaced while they are in
// use.
struct TlsFiles {
  std::string ca = {};           // who may have signed the server's certificate
  std::string certificate = {};  // ours, with its chain; empty: none is shown
  std::string key = {};          // of our certificate
  std::string server_name = {};  // in the server's certificate; empty: the endpoint's host
};

struct ClientOptions {
  std::string endpoint = std::string("unix:") + kApiSocket;  // as ParseEndpoint reads it
  std::optional<TlsFiles> tls = {};                          // nullopt: no TLS; for addresses only
  std::chrono::milliseconds timeout{10'000};                 // of each call
  int max_message_bytes = 64 << 20;                          // of an answer
};

class Connection;

class Client {
 public:
  // Connects to nobody yet. InvalidArgument for an endpoint that cannot be read, for TLS to a Unix socket,
  // and for files that are missing or no PEM, each with its name.
  static absl::StatusOr<Client> Create(const ClientOptions& options);

  // The same connection, other limits: for each call, or for all calls together.
  Client WithTimeout(std::chrono::milliseconds timeout) const;
  Client WithDeadline(std::chrono::system_clock::time_point deadline) const;

  const Endpoint& endpoint() const;
  // For what is not here. Never null.
  std::shared_ptr<grpc::Channel> channel() const;

  absl::StatusOr<v1::GetServerInfoResponse> GetServerInfo() const;

  // Lists come whole: all pages, in the order of the server. An empty parent, and "backends/-", stand for
  // all.
  absl::StatusOr<v1::ListBackendsResponse> ListBackends(v1::View view = v1::VIEW_UNSPECIFIED) const;
  absl::StatusOr<v1::ListRegionsResponse> ListRegions(const std::string& parent = "",
                                                      v1::View view = v1::VIEW_UNSPECIFIED) const;
  // `filter`, `order_by`: as ListMappingsRequest has them; empty: all, by offset.
  absl::StatusOr<v1::ListMappingsResponse> ListMappings(const std::string& parent = "",
                                                        const std::string& filter = "",
                                                        const std::string& order_by = "") const;
  absl::StatusOr<v1::ListFindingsResponse> ListFindings(const std::string& parent = "",
                                                        bool include_closed = false) const;
  // `request`: what is wanted; its paging is ours.
  absl::StatusOr<v1::ListEventsResponse> ListEvents(const v1::ListEventsRequest& request = {}) const;

  // As above for lists of any length, of which one page at a time is in memory. `visit` is called for each
  // item on the caller's thread and may take it; false ends the listing, with OK.
  absl::Status ForEachMapping(const v1::ListMappingsRequest& request,
                              const std::function<bool(v1::Mapping&)>& visit) const;
  absl::Status ForEachEvent(const v1::ListEventsRequest& request,
                            const std::function<bool(v1::Event&)>& visit) const;

  // Names are resource names: "backends/gpu0", "backends/gpu0/regions/2".
  absl::StatusOr<v1::Backend> GetBackend(const std::string& name, v1::View view = v1::VIEW_UNSPECIFIED) const;
  absl::StatusOr<v1::Region> GetRegion(const std::string& name, v1::View view = v1::VIEW_UNSPECIFIED) const;
  absl::StatusOr<v1::GetRegionLayoutResponse> GetRegionLayout(const std::string& name,
                                                              int max_extents = 4096) const;
  absl::StatusOr<v1::LookupMappingResponse> LookupMapping(const std::string& region,
                                                          int64_t shm_offset_bytes) const;

  // These need the admin role: the admin socket, or an address that serves it.
  absl::StatusOr<v1::Backend> AttachBackend(const v1::AttachBackendRequest& request) const;
  absl::StatusOr<v1::DetachBackendResponse> DetachBackend(const std::string& name,
                                                          bool end_sessions = false) const;
  absl::StatusOr<v1::Backend> RefreshBackend(const std::string& name) const;
  absl::StatusOr<v1::ProbeReport> ProbeBackend(const std::string& socket) const;
  absl::StatusOr<v1::ResetRegionPeaksResponse> ResetRegionPeaks(const std::string& name) const;

  // grpc.health.v1.
  struct Health {
    bool serving = false;
    std::string status;  // "SERVING"
  };
  // `service`: empty for the server as a whole.
  absl::StatusOr<Health> CheckHealth(const std::string& service = "") const;

 private:
  friend class Watcher;
  using TimePoint = std::chrono::system_clock::time_point;

  Client(std::shared_ptr<const Connection> connection, std::chrono::milliseconds timeout);
  // When a call that begins now must be over.
  TimePoint Deadline() const;

  std::shared_ptr<const Connection> connection_;
  std::chrono::milliseconds timeout_;
  std::optional<TimePoint> deadline_;
};

}  // namespace shmemd::client
