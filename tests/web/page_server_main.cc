// Serves the pages of as many regions and mappings as it is told, so that a browser can be pointed at what no
// scripted back-end makes in a reasonable time.
//
// usage: page-server REGIONS MAPPINGS    prints the address, ends with its standard input
#include <cstdio>
#include <cstdlib>

#include "server/metrics/http_endpoint.h"
#include "server/web/site.h"
#include "tests/feed/feed_fixture.h"

namespace {

using shmemd::feed::kPage;
namespace state = shmemd::state;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr int kMostRegions = 256;

class Filled {
 public:
  Filled(int regions, int mappings) {
    hub_.AddSource(queue_, control_);
    hub_.Start();
    if (regions == 0) return;
    const state::BackendHandle backend = publisher_.Attach(shmemd::feed::Spec("many0"));
    publisher_.Publish(backend, state::Connected{});
    publisher_.Publish(backend, state::StateChanged{state::BackendState::kActive, {}});
    for (int i = 0; i < regions; ++i) AddRegion(backend, static_cast<uint8_t>(i), mappings / regions);
    shmemd::feed::CatchUp(publisher_, queue_, hub_);
  }
  ~Filled() { hub_.Stop(); }
  Filled(const Filled&) = delete;
  Filled& operator=(const Filled&) = delete;

  const shmemd::feed::Hub& hub() const { return hub_; }

 private:
  void AddRegion(state::BackendHandle backend, uint8_t shmid, int mappings) {
    const uint64_t size = 64 * kMiB << (shmid % 4);
    publisher_.Publish(backend, state::RegionReported{size, shmid, state::Exposed::kYes});
    const uint64_t step = mappings == 0 ? 0 : size / kPage / static_cast<uint64_t>(mappings) * kPage;
    for (int i = 0; i < mappings; ++i) {
      // Some of each kind, more of them towards the begin.
      const auto at = static_cast<uint64_t>(i) * step / (shmid % 3 == 0 ? 2 : 1) / kPage * kPage;
      state::MapSettled map =
          shmemd::feed::Mapped(shmid, at, (1 + static_cast<uint64_t>(i + shmid) % 5) * kPage);
      map.request.flags = i / 50 % 2 == 0 ? state::kMapFlagReadWrite : 0;
      if (shmid % 50 == 7 && i % 100 == 3) map.request.fd.size_bytes = 0;
      publisher_.Publish(backend, map);
    }
    shmemd::feed::CatchUp(publisher_, queue_, hub_);
  }

  shmemd::feed::UpdateQueue queue_{8192};
  shmemd::feed::Control control_;
  shmemd::feed::Hub hub_{kPage};
  shmemd::feed::Publisher publisher_{queue_, 1, kPage};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const Filled filled(std::min(std::atoi(argv[1]), kMostRegions), std::atoi(argv[2]));
  shmemd::web::Site::Options options;
  options.facts.version = "test";
  const shmemd::web::Site site(std::move(options), filled.hub());
  shmemd::metrics::HttpEndpoint::Options endpoint;
  endpoint.listen = "127.0.0.1:0";
  endpoint.site = &site;
  const auto http = shmemd::metrics::HttpEndpoint::Start(std::move(endpoint), filled.hub());
  if (!http.ok()) return 1;
  std::printf("http://%s\n", (*http)->address().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
