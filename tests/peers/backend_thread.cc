#include "tests/peers/backend_thread.h"

#include <sys/eventfd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace shmemd::peers {

BackendThread::BackendThread(Script script, std::string socket_path)
    : script_(std::move(script)),
      socket_path_(socket_path.empty() ? directory_.path() + "/backend.sock" : std::move(socket_path)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  auto listener = ListenSocket::Open(socket_path_);
  if (!listener.ok()) {
    std::fprintf(stderr, "%s\n", std::string(listener.status().message()).c_str());
    std::abort();
  }
  thread_ = std::thread(&BackendThread::Serve, this, std::move(*listener));
}

BackendThread::~BackendThread() { Stop(); }

void BackendThread::Serve(ListenSocket listener) {
  DemoBackend(&script_, &posted_, &transcript_).Serve(listener, stop_.get(), /*is_once=*/false);
}

void BackendThread::Stop() {
  if (!thread_.joinable()) return;
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

StepAnswer BackendThread::Do(Step step, std::chrono::milliseconds timeout) {
  std::future<StepAnswer> answer = posted_.Post(std::move(step));
  // The system clock, because GCC's TSan does not know the wait that the steady clock needs.
  const auto deadline = std::chrono::system_clock::now() + timeout;
  if (answer.wait_until(deadline) != std::future_status::ready) return std::nullopt;
  return answer.get();
}

}  // namespace shmemd::peers
