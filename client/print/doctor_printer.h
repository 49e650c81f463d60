// What a doctor found, as text, JSON and JUnit XML. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "client/print/answered.h"
#include "client/print/diagnosis.h"
#include "client/print/junit.h"
#include "client/print/table.h"

namespace shmemd::client {

struct DoctorReport {
  bool reached = true;
  std::string endpoint;  // as it was asked
  std::string server_version;
  std::string client_version;
  std::vector<DoctorCheck> checks;
};

// How many checks there were and what they found, then each problem with evidence and remedy, the worst
// first. Lines are broken at the width of the terminal. Wide: a table.
std::string RenderDoctor(const AnsweredList<DoctorReport>& reports, const PrintStyle& style);

// {"serverVersion", "clientVersion", "checks": [{"subject", "name", "what", "result": "PASSED" or "FAILED",
// "findings": [as ListFindings has them]}]}
std::string DoctorToJson(const DoctorReport& report);

// A suite with a case for each check; one fails that found something at least as bad as `limit`.
JunitSuite DoctorToJunit(const DoctorReport& report, ::vhost::shmem::v1::Finding::Severity limit);

}  // namespace shmemd::client
