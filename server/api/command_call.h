// One call of ShmemAdmin that waits for a mover: submits the command, finishes when the answer comes or when
// the client has gone, whichever is first.
//
// Owns itself until gRPC and the command queue have both let go of it. The answer comes on the hub's thread.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <functional>
#include <memory>

#include "server/api/command_router.h"
#include "server/feed/control.h"

namespace shmemd::api {

class CommandCall final : public grpc::ServerUnaryReactor, public std::enable_shared_from_this<CommandCall> {
 public:
  // Turns the result into the call's response and status. Not called once the client has gone.
  using Answer = std::function<grpc::Status(const feed::CommandResult&)>;

  // Passes on what was asked for; the completion runs exactly once.
  using Submit = std::function<void(int64_t deadline_ns, feed::Control::Completion done)>;

  // The command's deadline is the client's, but at most ten seconds away.
  static grpc::ServerUnaryReactor* Start(const grpc::CallbackServerContext& context,
                                         const CommandRouter& router, feed::CommandBody body, Answer answer);
  // The deadline is the client's, but at most an hour away.
  static grpc::ServerUnaryReactor* Start(const grpc::CallbackServerContext& context, const Submit& submit,
                                         Answer answer);

  void OnCancel() override;
  void OnDone() override;

 private:
  explicit CommandCall(Answer answer) : answer_(std::move(answer)) {}

  void OnResult(const feed::CommandResult& result);

  Answer answer_;
  std::atomic<bool> finished_{false};
  std::shared_ptr<CommandCall> self_;  // until OnDone
};

}  // namespace shmemd::api
