// A shmemd whose streams of Watch say what a test says, one script after the other.
#pragma once

#include <grpcpp/server.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/client/temp_folder.h"
#include "vhost/shmem/v1/inspector.grpc.pb.h"

namespace shmemd::client {

namespace v1 = ::vhost::shmem::v1;

// What one stream says, in order, and how it ends.
struct WatchScript {
  std::vector<v1::WatchResponse> messages = {};
  grpc::Status end = {grpc::StatusCode::UNAVAILABLE, "cut"};
  bool silent = false;  // does not end by itself
};

// Messages of a stream.
v1::WatchResponse Begin(v1::SnapshotBegin::Reason reason = v1::SnapshotBegin::STREAM_BEGINS);
v1::WatchResponse Item(const std::string& backend);
v1::WatchResponse SyncedAt(int64_t revision);  // with the token "tREVISION", as all below
v1::WatchResponse ChangeAt(int64_t revision);
v1::WatchResponse BookmarkAt(int64_t revision);

// RESOURCE_EXHAUSTED, to be tried again later.
grpc::Status Exhausted(int64_t retry_ms);

class ScriptedWatch {
 public:
  // The last script is said again for every further stream.
  explicit ScriptedWatch(std::vector<WatchScript> scripts);
  ~ScriptedWatch();
  ScriptedWatch(const ScriptedWatch&) = delete;
  ScriptedWatch& operator=(const ScriptedWatch&) = delete;

  std::string endpoint() const { return "unix:" + folder_.File("api.sock"); }
  // What was asked for, stream by stream: the token, or "-", or "changes" for changes_only.
  std::vector<std::string> asked() const;
  // How many streams run.
  int running() const;

 private:
  class Service;

  TempFolder folder_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace shmemd::client
