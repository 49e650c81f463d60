// Endpoints as people name them: in tables and in files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "client/print/endpoint_label.h"
#include "client/shmemctl/endpoint_list.h"
#include "tests/client/temp_folder.h"

namespace shmemd {
namespace {

using client::EndpointLabels;
using shmemctl::NamedEndpoint;
using shmemctl::ParseEndpointList;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(EndpointLabels, OneNeedsNone) {
  EXPECT_THAT(EndpointLabels({"unix:/run/shmemd/api.sock"}), ElementsAre(""));
  EXPECT_TRUE(EndpointLabels({}).empty());
}

TEST(EndpointLabels, OfPathsWhatDiffersIsLeft) {
  EXPECT_THAT(EndpointLabels({"unix:/run/shmemd/vm1/api.sock", "unix:/run/shmemd/vm2/api.sock"}),
              ElementsAre("vm1", "vm2"));
  EXPECT_THAT(EndpointLabels({"unix:/run/a/1/api.sock", "unix:/run/b/1/api.sock", "unix:/run/b/2/api.sock"}),
              ElementsAre("a/1", "b/1", "b/2"));
  EXPECT_THAT(EndpointLabels({"unix:/run/a.sock", "unix:/run/b.sock"}), ElementsAre("a.sock", "b.sock"));
}

TEST(EndpointLabels, OneWithinTheOtherIsNeverEmpty) {
  EXPECT_THAT(EndpointLabels({"unix:/run/api.sock", "unix:/run/x/api.sock"}), ElementsAre("api.sock", "x/api.sock"));
}

TEST(EndpointLabels, OfHostsSharedDomainAndPortGo) {
  EXPECT_THAT(EndpointLabels({"vm1.example.com:18045", "vm2.example.com:18045"}), ElementsAre("vm1", "vm2"));
  EXPECT_THAT(EndpointLabels({"10.0.0.1:18045", "10.0.0.2:18045"}), ElementsAre("10.0.0.1", "10.0.0.2"));
  EXPECT_THAT(EndpointLabels({"localhost:1", "localhost:2"}), ElementsAre("localhost:1", "localhost:2"));
  EXPECT_THAT(EndpointLabels({"vm1:18045", "unix:/run/shmemd/api.sock"}),
              ElementsAre("vm1:18045", "/run/shmemd/api.sock"));
}

TEST(EndpointLabels, NeverTwoAlike) {
  EXPECT_THAT(EndpointLabels({"unix:/a/x", "unix:/b/x", "a:1", "b:1"}),
              ElementsAre("unix:/a/x", "unix:/b/x", "a:1", "b:1"));
}

TEST(EndpointList, HasCommentsAndBlanks) {
  EXPECT_THAT(ParseEndpointList("# all\n\n  unix:/a  # one\n\thost:1\r\nunix:/x#y\n", "fleet"),
              ElementsAre(NamedEndpoint{"unix:/a", "fleet:3"}, NamedEndpoint{"host:1", "fleet:4"},
                          NamedEndpoint{"unix:/x#y", "fleet:5"}));
  EXPECT_TRUE(ParseEndpointList("", "fleet").empty());
}

TEST(EndpointList, ErrorsNameTheFile) {
  const auto missing = shmemctl::ReadEndpointList("/nonexistent/fleet");
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("/nonexistent/fleet: No such file"));
  const auto nothing = shmemctl::ReadEndpointList("/dev/null");
  EXPECT_THAT(std::string(nothing.status().message()), HasSubstr("/dev/null names no endpoint"));
  const auto folder = shmemctl::ReadEndpointList("/");
  EXPECT_THAT(std::string(folder.status().message()), HasSubstr("cannot read /"));
}

}  // namespace
}  // namespace shmemd
