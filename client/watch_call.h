// One stream of Watch: waits for messages with a deadline. Owned and used by one thread; Cancel may come from
// any.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>

#include <chrono>
#include <memory>

#include "vhost/shmem/v1/inspector.grpc.pb.h"

namespace shmemd::client {

namespace v1 = ::vhost::shmem::v1;

class WatchCall {
 public:
  WatchCall(const std::shared_ptr<grpc::Channel>& channel, const v1::WatchRequest& request);
  ~WatchCall();  // ends the stream
  WatchCall(const WatchCall&) = delete;
  WatchCall& operator=(const WatchCall&) = delete;

  enum class Next { kMessage, kSilence, kEnd };
  // kSilence: no message within `limit`. After anything but kMessage only Finish may follow.
  Next Read(v1::WatchResponse* response, std::chrono::milliseconds limit);
  // What the stream ended with. Ends it if it goes on.
  grpc::Status Finish();
  // Read and Finish return soon.
  void Cancel() { context_.TryCancel(); }

 private:
  using TimePoint = std::chrono::system_clock::time_point;

  // Waits for what was asked of gRPC last. kMessage: it was done.
  Next Await(TimePoint deadline);

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<v1::ShmemInspector::Stub> stub_;
  std::unique_ptr<grpc::ClientAsyncReader<v1::WatchResponse>> reader_;
  bool started_ = false;
  bool pending_ = true;  // gRPC owes an answer on the queue
  bool ended_ = false;   // by the server, or by a broken connection
  bool finished_ = false;
};

}  // namespace shmemd::client
