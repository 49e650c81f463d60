#include "server/web/overview_page.h"

#include "tests/web/web_fixture.h"

namespace shmemd::web {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class OverviewPageTest : public WebTest {};

TEST_F(OverviewPageTest, WithoutBackendsItSaysWhatToDo) {
  const std::string page = Page();
  EXPECT_THAT(page,
              AllOf(StartsWith("<!DOCTYPE html>\n<html lang=\"en\">"), HasSubstr("No back-end is attached"),
                    HasSubstr("shmemctl attach"), Not(HasSubstr("Nothing needs attention"))));
}

TEST_F(OverviewPageTest, AHealthyOneIsCalm) {
  Publish(AttachActive("gpu0", 16 * kMiB), {feed::Mapped(0, 0, 4 * kMiB)});
  const std::string page = Page();
  EXPECT_THAT(page, AllOf(HasSubstr("<title>shmemd on pod-7</title>"), HasSubstr("Nothing needs attention"),
                          HasSubstr("<span class=\"state up\">ACTIVE</span>"), HasSubstr("25 %"),
                          HasSubstr("0x0 to 0x400000 (4 MiB), read-write, MAPPED, memfd from 0x0 of 1 TiB"),
                          Not(HasSubstr("class=\"tag error\""))));
}

TEST_F(OverviewPageTest, WhatIsNotFollowedIsNotSaidToBeFree) {
  const auto disk0 = Attach("disk0", state::Mode::kProbe);
  Publish(disk0, {state::Connected{}, state::StateChanged{state::BackendState::kProbed, {}},
                  state::RegionReported{16 * kMiB, 0, state::Exposed::kYes}});
  std::string page = Page();
  EXPECT_THAT(page,
              AllOf(HasSubstr("Nothing is known to need attention"),
                    HasSubstr("What is mapped is not followed in 1 back-end."),
                    Not(HasSubstr("Nothing needs attention")), Not(HasSubstr("no region is full")),
                    Not(HasSubstr("0 B mapped")), Not(HasSubstr(">0 B<")), Not(HasSubstr("16 MiB free")),
                    HasSubstr("1 region of 16 MiB, mappings not followed"),
                    HasSubstr("data-l=\"free\"><span class=\"quiet\">not followed</span>")));
  Publish(AttachActive("gpu0", 16 * kMiB), {feed::Mapped(0, 0, 4 * kMiB)});
  page = Page();
  EXPECT_THAT(page, AllOf(HasSubstr("Of those that are followed no region is full"),
                          HasSubstr("of 32 MiB, without 1 back-end not followed"), HasSubstr("12 MiB</td>")));
}

// No style, script or handler stands in the page itself: the policy forbids all of them.
TEST_F(OverviewPageTest, NothingIsInline) {
  Publish(AttachActive("gpu0", 16 * kMiB), {feed::Mapped(0, 0, 4 * kMiB)});
  const std::string page = Page();
  EXPECT_THAT(page,
              AllOf(Not(HasSubstr("<style")), Not(HasSubstr(" style=")), Not(HasSubstr(" onclick")),
                    Not(HasSubstr("javascript:")), Not(HasSubstr("http://")), Not(HasSubstr("https://"))));
  EXPECT_EQ(Occurrences(page, "<script"), 1U);
  EXPECT_THAT(page, HasSubstr("<script src=\"/page.js\" defer></script>"));
}

TEST_F(OverviewPageTest, HostileNamesStayText) {
  const auto odd = Attach("a<b>&\"c'");
  Publish(odd, {state::Connected{}, state::RegionReported{kMiB, 2, state::Exposed::kYes},
                feed::Mapped(2, 0, kMiB)});
  frame_.host_name = "<script>alert(1)</script>";
  const std::string page = Page();
  EXPECT_THAT(page, AllOf(HasSubstr("a&lt;b&gt;&amp;&quot;c&#39;"), HasSubstr("id=\"b-a_3Cb_3E_26_22c_27\""),
                          HasSubstr("&lt;script&gt;"), Not(HasSubstr("<script>")), Not(HasSubstr("a<b"))));
}

TEST_F(OverviewPageTest, PathsAndProcessesAreShownOnlyWhenTold) {
  const auto gpu0 = Attach("gpu0");
  state::Connected connected;
  connected.peer.known = true;
  connected.peer.pid = 4711;
  std::string("<evil>\n").copy(connected.peer.comm.data(), 8);
  Publish(gpu0, {connected, state::StateChanged{state::BackendState::kActive, {}}});
  findings_.Raise(state::FindingCode::kCertificateUnreadable, "/etc/shmemd/tls.crt: no such file", {});
  std::string page = Page();
  EXPECT_THAT(page, AllOf(Not(HasSubstr("/run/gpu0.sock")), Not(HasSubstr("evil")), Not(HasSubstr("4711")),
                          Not(HasSubstr("tls.crt")), HasSubstr("CERTIFICATE_UNREADABLE")));
  frame_.with_paths = true;
  page = Page();
  EXPECT_THAT(page,
              AllOf(HasSubstr("/run/gpu0.sock"), HasSubstr("&lt;evil&gt;\\x0A 4711"), HasSubstr("tls.crt")));
}

TEST_F(OverviewPageTest, FilesAreNamedOnlyWhenTold) {
  state::MapSettled map = feed::Mapped(0, 0, kMiB);
  map.request.fd.inode = 440937;
  const state::FindingRaised raised{
      state::FindingCode::kShrinkableBacking,
      0,
      {{{state::EvidenceKey::kShmid, 0}, {state::EvidenceKey::kInode, 440937}}}};
  Publish(AttachActive("gpu0", 16 * kMiB), {map, raised});
  for (const std::string& page : {Page(), PageOfRegion("gpu0", 0)}) {
    EXPECT_THAT(page,
                AllOf(HasSubstr("SHRINKABLE_BACKING"), Not(HasSubstr("440937")), Not(HasSubstr("inode"))));
  }
  frame_.with_paths = true;
  for (const std::string& page : {Page(), PageOfRegion("gpu0", 0)})
    EXPECT_THAT(page, HasSubstr("inode 440937"));
}

TEST_F(OverviewPageTest, EveryStateIsSaidInWords) {
  for (int i = 0; i < state::kBackendStateCount; ++i) {
    const auto backend = Attach("b" + std::to_string(i));
    Publish(backend, {state::StateChanged{static_cast<state::BackendState>(i), {}}});
  }
  const std::string page = Page();
  for (int i = 0; i < state::kBackendStateCount; ++i)
    EXPECT_THAT(page, HasSubstr(state::BackendStateName(static_cast<state::BackendState>(i)) +
                                std::string("</span>")));
  EXPECT_THAT(page, AllOf(HasSubstr("2 down"), HasSubstr("class=\"backend gone\""),
                          HasSubstr("It is the VMM that has not connected yet")));
}

TEST_F(OverviewPageTest, AFindingStandsBesideItsRegionWithItsRemedy) {
  state::MapSettled short_file = feed::Mapped(0, 0, kMiB);
  short_file.request.fd.size_bytes = 4096;
  Publish(AttachActive("gpu0", 16 * kMiB), {short_file});
  const std::string page = Page();
  EXPECT_THAT(page, AllOf(HasSubstr("<title>(1) shmemd on pod-7</title>"), HasSubstr("1020 KiB at risk"),
                          HasSubstr("<code>BEYOND_EOF</code>"), HasSubstr("What to do"),
                          HasSubstr("<li class=\"finding\" data-k=\""), HasSubstr("url(#p-end)"),
                          HasSubstr("<a href=\"#r-gpu0-0\">gpu0 region 0</a>")));
  EXPECT_LT(page.find("id=\"r-gpu0-0\""), page.find("<code>BEYOND_EOF</code>"));
}

// Too many mappings to draw each.
TEST_F(OverviewPageTest, AColumnSaysHowMuchOfItIsMapped) {
  const auto gpu0 = AttachActive("gpu0", 1024 * kMiB);
  for (uint64_t i = 0; i < 128; ++i) Publish(gpu0, {feed::Mapped(0, i * 8 * kMiB, 8 * kMiB)});
  EXPECT_THAT(Page(), HasSubstr("0x0 to 0x40000000 (1 GiB): 128 mappings, all or nearly all of it mapped"));
  const auto thin = AttachActive("thin", 1024 * kMiB);
  for (uint64_t i = 0; i < 128; ++i) Publish(thin, {feed::Mapped(0, i * 8 * kMiB, kPage)});
  EXPECT_THAT(Page(), HasSubstr("less than 25 % of it mapped"));
}

TEST_F(OverviewPageTest, TablesHaveCaptionsAndHeads) {
  Publish(AttachActive("gpu0", 16 * kMiB), {feed::Mapped(0, 0, kMiB)});
  const std::string page = Page();
  EXPECT_EQ(Occurrences(page, "<table"), Occurrences(page, "<caption"));
  EXPECT_THAT(
      page,
      AllOf(HasSubstr("<th scope=\"col\">Region</th>"), HasSubstr("<th scope=\"row\">"),
            HasSubstr("role=\"img\" aria-label=\"Address space of 16 MiB: 1 mapping, 1 MiB mapped, 15 MiB "
                      "free in 1 hole\"")));
}

TEST_F(OverviewPageTest, WhatHappenedLatelyLeavesOutWhatWentWell) {
  const auto gpu0 = AttachActive("gpu0", 16 * kMiB);
  state::MapSettled refused = feed::Mapped(0, 8 * kMiB, kMiB);
  refused.failure = state::RequestFailure::kOverlap;
  refused.error_number = 17;
  Publish(gpu0, {feed::Mapped(0, 0, kMiB), refused});
  EXPECT_THAT(Page(), AllOf(HasSubstr("SHMEM_MAP of 0x100000 bytes at 0x800000 failed: overlap"),
                            Not(HasSubstr("SHMEM_MAP of 0x100000 bytes at 0x0<")), HasSubstr("+1 &minus;0")));
}

TEST_F(OverviewPageTest, RefreshIsForThoseWithoutAScriptAndCanBeHeld) {
  EXPECT_THAT(Page(), HasSubstr("<noscript><meta http-equiv=\"refresh\""));
  frame_.refresh = false;
  EXPECT_THAT(Page(), AllOf(Not(HasSubstr("http-equiv=\"refresh\"")), HasSubstr("href=\"?\"")));
}

// As much as can be attached in 256 regions, and more back-ends than are shown.
TEST_F(OverviewPageTest, ItIsBoundedWhateverIsAttached) {
  for (int b = 0; b < 300; ++b) {
    const auto backend = Attach("b" + std::to_string(1000 + b));
    Publish(backend, {state::Connected{}, state::StateChanged{state::BackendState::kActive, {}}});
    for (int shmid = 0; shmid < 4; ++shmid) {
      const auto id = static_cast<uint8_t>(shmid);
      Publish(backend, {state::RegionReported{64 * kMiB, id, state::Exposed::kYes}});
      for (uint64_t i = 0; i < 12; ++i) {
        state::MapSettled map = feed::Mapped(id, (5 * i + i % 3) * kMiB, kMiB);
        if (i % 2 == 0) map.request.fd.size_bytes = 4096;
        map.request.flags = i % 3;
        Publish(backend, {map});
      }
    }
    CatchUp();
  }
  const std::string page = Page();
  EXPECT_LT(page.size(), size_t{1} << 20);
  EXPECT_THAT(page, AllOf(HasSubstr("100 back-ends more are not shown here"),
                          HasSubstr("regions more are not shown here")));
  EXPECT_EQ(Occurrences(page, "class=\"region\""), OverviewBounds{}.max_regions);
  RecordProperty("bytes", static_cast<int>(page.size()));
}

}  // namespace
}  // namespace shmemd::web
