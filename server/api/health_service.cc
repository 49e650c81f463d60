#include "server/api/health_service.h"

#include <utility>

#include "server/api/errors.h"

namespace shmemd::api {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

std::set<std::string> WithWhole(const std::vector<std::string>& services) {
  std::set<std::string> all(services.begin(), services.end());
  all.insert("");
  return all;
}

grpc::Status ShuttingDown() {
  return Error(grpc::StatusCode::UNAVAILABLE, Reason::kShuttingDown, "shmemd is shutting down");
}

}  // namespace

// One stream. Whoever finds it idle, under the mutex, takes the next step and is the only one to call gRPC,
// after the mutex is left: gRPC may call back at once.
class HealthService::Watcher final : public grpc::ServerWriteReactor<HealthCheckResponse>,
                                     public std::enable_shared_from_this<Watcher> {
 public:
  Watcher(HealthService& service, bool known) : service_(service), known_(known) {}

  void Begin(bool serving) {
    {
      base::MutexLock lock(mutex_);
      if (!serving) ending_ = true;
      told_end_ = !known_ || !serving;
    }
    response_.set_status(!known_   ? HealthCheckResponse::SERVICE_UNKNOWN
                         : serving ? HealthCheckResponse::SERVING
                                   : HealthCheckResponse::NOT_SERVING);
    StartWrite(&response_);
  }

  void End() {
    {
      base::MutexLock lock(mutex_);
      ending_ = true;
    }
    Advance();
  }

  void OnWriteDone(bool ok) override {
    {
      base::MutexLock lock(mutex_);
      writing_ = false;
      if (!ok) cancelled_ = true;
    }
    Advance();
  }
  void OnCancel() override {
    {
      base::MutexLock lock(mutex_);
      cancelled_ = true;
    }
    Advance();
  }
  void OnDone() override { service_.Forget(shared_from_this()); }

 private:
  enum class Step { kNone, kWriteEnd, kFinish, kFinishCancelled };

  Step TakeStep() {
    base::MutexLock lock(mutex_);
    if (writing_ || finished_ || !(ending_ || cancelled_)) return Step::kNone;
    if (!cancelled_ && !told_end_) {
      writing_ = told_end_ = true;
      return Step::kWriteEnd;
    }
    finished_ = true;
    return cancelled_ ? Step::kFinishCancelled : Step::kFinish;
  }

  void Advance() {
    switch (TakeStep()) {
      case Step::kNone:
        return;
      case Step::kWriteEnd:
        response_.set_status(HealthCheckResponse::NOT_SERVING);
        return StartWrite(&response_);
      case Step::kFinish:
        return Finish(ShuttingDown());
      case Step::kFinishCancelled:
        return Finish(CancelledByClient());
    }
  }

  HealthService& service_;
  const bool known_;
  HealthCheckResponse response_;
  base::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = true;  // the first write follows at once
  bool told_end_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

HealthService::HealthService(const std::vector<std::string>& services) : services_(WithWhole(services)) {}

HealthService::~HealthService() = default;

void HealthService::Shutdown() {
  std::set<std::shared_ptr<Watcher>> watchers;
  {
    base::MutexLock lock(mutex_);
    serving_ = false;
    watchers = watchers_;
  }
  for (const std::shared_ptr<Watcher>& watcher : watchers) watcher->End();
}

void HealthService::Forget(const std::shared_ptr<Watcher>& watcher) {
  base::MutexLock lock(mutex_);
  watchers_.erase(watcher);
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const HealthCheckRequest* request,
                                               HealthCheckResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (services_.count(request->service()) == 0) {
    reactor->Finish(
        Error(grpc::StatusCode::NOT_FOUND, Reason::kServiceUnknown, "no such service is served here"));
    return reactor;
  }
  bool serving = false;
  {
    base::MutexLock lock(mutex_);
    serving = serving_;
  }
  response->set_status(serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING);
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(grpc::CallbackServerContext*,
                                                                    const HealthCheckRequest* request) {
  const bool known = services_.count(request->service()) != 0;
  auto watcher = std::make_shared<Watcher>(*this, known);
  bool serving = false;
  {
    base::MutexLock lock(mutex_);
    serving = serving_;
    watchers_.insert(watcher);
  }
  watcher->Begin(serving);
  return watcher.get();
}

}  // namespace shmemd::api
