#include "tests/peers/frontend_thread.h"

#include <sys/eventfd.h>

#include <cstdio>
#include <cstdlib>
#include <future>
#include <utility>

namespace shmemd::peers {
namespace {

VmmScript WithoutServe(VmmScript script) {
  if (!script.steps.empty() && script.steps.back().kind == VmmStep::Kind::kServe) script.steps.pop_back();
  return script;
}

}  // namespace

FrontendThread::FrontendThread(VmmScript script, std::string socket_path, Role role)
    : script_(WithoutServe(std::move(script))),
      socket_path_(std::move(socket_path)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  if (role == Role::kListen) {
    auto listener = ListenSocket::Open(socket_path_);
    if (!listener.ok()) {
      std::fprintf(stderr, "%s\n", std::string(listener.status().message()).c_str());
      std::abort();
    }
    listener_ = std::make_unique<ListenSocket>(std::move(*listener));
  }
  thread_ = std::thread(&FrontendThread::Run, this);
}

FrontendThread::~FrontendThread() { Stop(); }

void FrontendThread::Run() {
  VmmEndpoint endpoint;
  endpoint.path = socket_path_;
  endpoint.listener = listener_.get();
  DemoVmm(&script_, endpoint, stop_.get(), &posted_, &window_, &transcript_).Run(/*stays=*/true);
}

void FrontendThread::Stop() {
  if (!thread_.joinable()) return;
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
  window_.Clear();
  listener_.reset();
}

bool FrontendThread::Do(VmmStep step, std::chrono::milliseconds timeout) {
  std::future<bool> done = posted_.Post(std::move(step));
  // The system clock, because GCC's TSan does not know the wait that the steady clock needs.
  const auto deadline = std::chrono::system_clock::now() + timeout;
  return done.wait_until(deadline) == std::future_status::ready && done.get();
}

}  // namespace shmemd::peers
