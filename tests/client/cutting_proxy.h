// Stands between clients and a server on Unix sockets and cuts each connection after a random number of
// bytes of the server's, wherever that is, over and over.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace shmemd::client {

class CuttingProxy {
 public:
  // Listens at `listen`, connects to `server`. The first `spare_bytes` of each connection pass.
  CuttingProxy(std::string listen, std::string server, unsigned spare_bytes, unsigned most_bytes);
  ~CuttingProxy();
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  // Connections that were cut in the middle.
  int cuts() const { return cuts_; }
  // From here on connections live.
  void Heal() { healed_ = true; }

 private:
  void Run();
  void Serve(int client, unsigned bytes);

  const std::string server_;
  const unsigned spare_bytes_;
  const unsigned most_bytes_;
  int listener_ = -1;
  int stop_ = -1;
  std::atomic<int> cuts_{0};
  std::atomic<bool> healed_{false};
  std::vector<std::thread> connections_;  // of Run alone
  std::thread thread_;
};

}  // namespace shmemd::client
