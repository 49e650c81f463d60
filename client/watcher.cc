#include "shmemd/watcher.h"

#include "client/watch_thread.h"

namespace shmemd::client {

Watcher::Watcher(const Client& client, WatchOptions options, WatchSink* sink)
    : thread_(std::make_unique<WatchThread>(client.connection_, options, sink)) {}

Watcher::~Watcher() = default;

void Watcher::Stop() { thread_->Stop(); }

std::string Watcher::resume_token() const { return thread_->token(); }

}  // namespace shmemd::client
