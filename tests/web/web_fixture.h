// A mover's publisher, the hub behind it, and the pages made of it.
#pragma once

#include <string>
#include <vector>

#include "server/web/overview_page.h"
#include "server/web/region_page.h"
#include "tests/feed/feed_fixture.h"

namespace shmemd::web {

using feed::kPage;

inline constexpr uint64_t kMiB = uint64_t{1} << 20;

class WebTest : public testing::Test {
 protected:
  WebTest() {
    hub_.AddSource(queue_, control_);
    hub_.Start();
  }
  ~WebTest() override { hub_.Stop(); }

  state::BackendHandle Attach(const std::string& id, state::Mode mode = state::Mode::kFrontend) {
    state::BackendSpec spec = feed::Spec(id);
    spec.mode = mode;
    return publisher_.Attach(std::move(spec));
  }
  // With one region, shmid 0.
  state::BackendHandle AttachActive(const std::string& id, uint64_t size_bytes) {
    const state::BackendHandle backend = Attach(id);
    Publish(backend, {state::Connected{}, state::StateChanged{state::BackendState::kActive, {}},
                      state::RegionReported{size_bytes, 0, state::Exposed::kYes}});
    return backend;
  }
  void Publish(state::BackendHandle backend, const std::vector<state::EventBody>& bodies) {
    for (const state::EventBody& body : bodies) publisher_.Publish(backend, body);
  }
  void CatchUp() { ASSERT_TRUE(feed::CatchUp(publisher_, queue_, hub_)); }

  Overview Collect(const OverviewBounds& bounds = {}) {
    CatchUp();
    return CollectOverview(hub_, &findings_, frame_.with_paths, bounds);
  }
  std::string Page(const OverviewBounds& bounds = {}) { return OverviewPage(Collect(bounds), frame_); }
  std::string PageOfRegion(const std::string& id, uint8_t shmid, const DetailBounds& bounds = {}) {
    CatchUp();
    const std::optional<RegionDetail> detail = CollectRegion(hub_, id, shmid, frame_.with_paths, bounds);
    return detail ? RegionPage(*detail, frame_) : "";
  }

  feed::UpdateQueue queue_{8192};
  feed::Control control_;
  feed::Hub hub_{kPage};
  feed::Publisher publisher_{queue_, 1, kPage};
  feed::ServerFindings findings_;
  PageFrame frame_{"1.2.3", "pod-7", false, true};
};

// How often `part` stands in `text`.
inline size_t Occurrences(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

}  // namespace shmemd::web
