// A mover's publisher with everything behind it that shows what it publishes: hub, inspector, scrape.
#pragma once

#include <prometheus/metric_family.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/api/inspector.h"
#include "server/metrics/backend_collectable.h"
#include "tests/feed/feed_fixture.h"

namespace shmemd::component {

namespace v1 = ::vhost::shmem::v1;

// Bytes by back-end and shmid; only what is not 0.
using BytesOfRegions = std::map<std::pair<std::string, int>, uint64_t>;

class Readers {
 public:
  explicit Readers(size_t queue_capacity)
      : queue_(queue_capacity),
        inspector_([this](const auto& read) { hub_.Read(read); }, {"1.2.3", 0, feed::kPage, 1024, 1 << 30},
                   server_findings_) {
    hub_.AddSource(queue_, control_);
    hub_.Start();
  }
  ~Readers() { hub_.Stop(); }
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  feed::Publisher& publisher() { return publisher_; }
  const feed::Hub& hub() const { return hub_; }
  const api::Inspector& inspector() const { return inspector_; }
  bool CatchUp() { return feed::CatchUp(publisher_, queue_, hub_); }

  // What ListMappings says, page by page: lengths of those in `states`.
  BytesOfRegions ListedBytes(const std::vector<v1::Mapping::State>& states, int page_size) const {
    BytesOfRegions bytes;
    v1::ListMappingsRequest request;
    request.set_page_size(page_size);
    do {
      v1::ListMappingsResponse response;
      const grpc::Status status = inspector_.ListMappings(request, response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      EXPECT_LE(response.mappings_size(), page_size);
      for (const v1::Mapping& mapping : response.mappings()) {
        if (std::find(states.begin(), states.end(), mapping.state()) == states.end()) continue;
        bytes[RegionOf(mapping.name())] += static_cast<uint64_t>(mapping.length_bytes());
      }
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return bytes;
  }

  // What a scrape says.
  BytesOfRegions ScrapedBytes(const std::string& metric) const {
    BytesOfRegions bytes;
    for (const auto& family : metrics::BackendCollectable(hub_).Collect()) {
      if (family.name != metric) continue;
      for (const auto& sample : family.metric) {
        if (sample.gauge.value == 0) continue;
        bytes[{sample.label.at(0).value, std::stoi(sample.label.at(1).value)}] =
            static_cast<uint64_t>(sample.gauge.value);
      }
    }
    return bytes;
  }

 private:
  // Of "backends/gpu0/regions/2/mappings/0x10000".
  static std::pair<std::string, int> RegionOf(const std::string& name) {
    const size_t id = std::string("backends/").size();
    const size_t regions = name.find("/regions/", id);
    return {name.substr(id, regions - id), std::stoi(name.substr(regions + std::string("/regions/").size()))};
  }

  feed::UpdateQueue queue_;
  feed::Control control_;
  feed::Hub hub_{feed::kPage};
  feed::Publisher publisher_{queue_, 1, feed::kPage};
  feed::ServerFindings server_findings_;
  api::Inspector inspector_;
};

}  // namespace shmemd::component
