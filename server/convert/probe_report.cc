#include "server/convert/probe_report.h"

#include "server/convert/backend.h"
#include "server/convert/resource_names.h"
#include "server/convert/values.h"

namespace shmemd::convert {
namespace {

v1::ProbeReport::Check::Result EnumToProto(state::CheckResult result) {
  switch (result) {
    case state::CheckResult::kPassed:
      return v1::ProbeReport::Check::PASSED;
    case state::CheckResult::kFailed:
      return v1::ProbeReport::Check::FAILED;
    case state::CheckResult::kSkipped:
      return v1::ProbeReport::Check::SKIPPED;
  }
  return v1::ProbeReport::Check::RESULT_UNSPECIFIED;
}

void FillCheck(const state::ProbeCheck& check, v1::ProbeReport::Check& out) {
  out.set_rule(check.rule);
  out.set_description(check.description);
  out.set_source(check.source);
  out.set_result(EnumToProto(check.result));
  out.set_evidence(check.evidence);
}

}  // namespace

v1::ProbeReport ToProto(const state::ProbeReport& report) {
  v1::ProbeReport out;
  out.set_socket(report.socket);
  *out.mutable_start_time() = ToTimestamp(report.start_time_ns);
  *out.mutable_duration() = ToDuration(report.duration_ns);
  if (report.features.known) *out.mutable_features() = ToProto(report.features);
  if (report.config.source != state::ConfigSource::kNotSeen) *out.mutable_config() = ToProto(report.config);
  for (const auto& [shmid, size_bytes] : report.regions) {
    v1::Region& region = *out.add_regions();
    region.set_name(RegionName("-", shmid));
    region.set_shmid(shmid);
    region.set_size_bytes(Saturated(size_bytes));
  }
  for (const state::ProbeCheck& check : report.checks) FillCheck(check, *out.add_checks());
  out.set_failure(report.failure_text.empty() ? CauseWords(report.failure) : report.failure_text);
  return out;
}

}  // namespace shmemd::convert
