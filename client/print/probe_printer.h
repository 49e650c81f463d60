// What a probe showed, as text and as JUnit XML. Pure functions.
#pragma once

#include <string>

#include "client/print/table.h"
#include "vhost/shmem/v1/probe.pb.h"

namespace shmemd::client {

// How many checks went which way.
struct ProbeTally {
  int passed = 0;
  int failed = 0;
  int skipped = 0;
};
ProbeTally TallyOf(const ::vhost::shmem::v1::ProbeReport& report);

// The report for people: what was sent, the regions, every rule, and for each broken one what it says and
// where it comes from.
std::string RenderProbe(const ::vhost::shmem::v1::ProbeReport& report, const PrintStyle& style);

// The report as one JUnit test suite with a test case for each rule, and one for the conversation as a whole.
std::string ProbeToJunit(const ::vhost::shmem::v1::ProbeReport& report);

}  // namespace shmemd::client
