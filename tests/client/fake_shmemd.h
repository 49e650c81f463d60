// A shmemd that serves canned answers on a Unix socket: the real services with their paging and errors, but
// no model.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "vhost/shmem/v1/admin.grpc.pb.h"
#include "vhost/shmem/v1/inspector.grpc.pb.h"

namespace shmemd::client {

namespace v1 = ::vhost::shmem::v1;

// An error with its ErrorInfo.
grpc::Status ErrorWithReason(grpc::StatusCode code, const std::string& message, const std::string& reason,
                             const std::map<std::string, std::string>& metadata = {});

// What is served. Set before the server starts.
struct CannedData {
  std::vector<v1::Backend> backends;
  std::vector<v1::Region> regions;
  std::vector<v1::Mapping> mappings;
  std::vector<v1::Finding> findings;
  std::vector<v1::Event> events;
  std::vector<v1::GetRegionLayoutResponse> layouts;
  int max_page = 2;      // items in a page, whatever was asked for
  bool endless = false;  // gives the same page token again and again
  bool silent = false;   // does not answer until the caller gives up
  grpc::Status admin;    // answer to every call of the admin service, when not OK
  bool serving = true;
  v1::DetachBackendResponse detached;  // answer to DetachBackend
};

// Back-ends gpu0 (ACTIVE, regions 0, 2 and 5) and fs0 (DISCONNECTED, one region of unknown size).
CannedData SampleData();
// Back-ends as a relay has them: lost (its mappings are stale), unseen (ACTIVE, not followed any more), vm0
// (ACTIVE), waiting (for its VMM).
CannedData RelayData();
// The layouts of the regions of SampleData.
std::vector<v1::GetRegionLayoutResponse> SampleLayouts(const std::vector<v1::Region>& regions);
// A layout from text: region and extents as "KIND length" pairs in order, e.g. "FREE 4096 READ_WRITE 8192".
v1::GetRegionLayoutResponse LayoutOf(const v1::Region& region, const std::string& extents);

class FakeShmemd {
 public:
  // Serves at unix:PATH, a path of its own, until it is destroyed. With credentials also at a port of
  // localhost.
  explicit FakeShmemd(CannedData data, std::shared_ptr<grpc::ServerCredentials> credentials = nullptr);
  ~FakeShmemd();
  FakeShmemd(const FakeShmemd&) = delete;
  FakeShmemd& operator=(const FakeShmemd&) = delete;

  const std::string& path() const { return path_; }
  std::string endpoint() const { return "unix:" + path_; }
  // "127.0.0.1:PORT", where there are credentials; no name, for c-ares keeps a few bytes of each that it
  // looks up.
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  // How many calls were made.
  int call_count() const;
  // Filter and order of the last ListMappings, as "FILTER|ORDER".
  std::string asked_mappings() const;
  v1::ListEventsRequest asked_events() const;
  // The last request of the admin service, as text.
  std::string asked_admin() const;

 private:
  class Inspector;
  class Admin;
  class Health;

  std::string folder_;
  std::string path_;
  int port_ = 0;
  CannedData data_;
  std::unique_ptr<Inspector> inspector_;
  std::unique_ptr<Admin> admin_;
  std::unique_ptr<Health> health_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace shmemd::client
