#include "server/api/command_call.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/api/errors.h"
#include "server/base/clock.h"

namespace shmemd::api {
namespace {

// For a mover.
constexpr std::chrono::nanoseconds kLongestWait = std::chrono::seconds(10);
constexpr std::chrono::nanoseconds kLongestCall = std::chrono::hours(1);

int64_t MonotonicDeadline(const grpc::CallbackServerContext& context, std::chrono::nanoseconds longest) {
  const std::chrono::nanoseconds left = context.deadline() - std::chrono::system_clock::now();
  return base::MonotonicNanos() + std::clamp(left, std::chrono::nanoseconds::zero(), longest).count();
}

}  // namespace

grpc::ServerUnaryReactor* CommandCall::Start(const grpc::CallbackServerContext& context,
                                             const CommandRouter& router, feed::CommandBody body,
                                             Answer answer) {
  const std::shared_ptr<CommandCall> call(new CommandCall(std::move(answer)));
  call->self_ = call;
  router.Submit(std::move(body), MonotonicDeadline(context, kLongestWait),
                [call](const feed::CommandResult& result) { call->OnResult(result); });
  return call.get();
}

grpc::ServerUnaryReactor* CommandCall::Start(const grpc::CallbackServerContext& context, const Submit& submit,
                                             Answer answer) {
  const std::shared_ptr<CommandCall> call(new CommandCall(std::move(answer)));
  call->self_ = call;
  submit(MonotonicDeadline(context, kLongestCall),
         [call](const feed::CommandResult& result) { call->OnResult(result); });
  return call.get();
}

void CommandCall::OnResult(const feed::CommandResult& result) {
  if (finished_.exchange(true)) return;
  Finish(answer_(result));
}

void CommandCall::OnCancel() {
  if (finished_.exchange(true)) return;
  Finish(CancelledByClient());
}

void CommandCall::OnDone() {
  answer_ = nullptr;
  const std::shared_ptr<CommandCall> last = std::move(self_);
}

}  // namespace shmemd::api
