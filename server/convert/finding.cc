#include "server/convert/finding.h"

#include "server/convert/resource_names.h"
#include "server/convert/values.h"

namespace shmemd::convert {
namespace {

v1::Finding::Severity EnumToProto(state::Severity severity) {
  switch (severity) {
    case state::Severity::kInfo:
      return v1::Finding::INFO;
    case state::Severity::kWarning:
      return v1::Finding::WARNING;
    case state::Severity::kError:
      return v1::Finding::ERROR;
  }
  return v1::Finding::SEVERITY_UNSPECIFIED;
}

}  // namespace

v1::Finding ToProto(std::string_view backend_id, const state::Finding& finding) {
  v1::Finding out;
  const std::string_view code = state::FindingCodeName(finding.code);
  const std::string_view remedy = state::FindingRemedy(finding.code);
  out.set_code(code.data(), code.size());
  out.set_severity(EnumToProto(state::FindingSeverity(finding.code)));
  out.set_summary(state::FindingSummary(finding));
  out.set_remedy(remedy.data(), remedy.size());
  out.set_resource(finding.shmid == state::kWholeBackend
                       ? BackendName(backend_id)
                       : RegionName(backend_id, static_cast<uint8_t>(finding.shmid)));
  for (auto& [name, value] : state::FindingEvidence(finding)) (*out.mutable_evidence())[name] = value;
  *out.mutable_first_seen_time() = ToTimestamp(finding.first_seen_ns);
  *out.mutable_last_seen_time() = ToTimestamp(finding.last_seen_ns);
  out.set_occurrence_count(Saturated(finding.count));
  out.set_open(finding.open);
  return out;
}

v1::Finding ToProto(const FindingRecord& record) { return ToProto(record.backend_id, record.finding); }

v1::Finding ToProto(const state::ServerFinding& finding) {
  v1::Finding out;
  const std::string_view code = state::FindingCodeName(finding.code);
  const std::string_view remedy = state::FindingRemedy(finding.code);
  out.set_code(code.data(), code.size());
  out.set_severity(EnumToProto(state::FindingSeverity(finding.code)));
  out.set_summary(finding.summary);
  out.set_remedy(remedy.data(), remedy.size());
  out.set_resource("server");
  for (const auto& [name, value] : finding.evidence) (*out.mutable_evidence())[name] = value;
  *out.mutable_first_seen_time() = ToTimestamp(finding.first_seen_ns);
  *out.mutable_last_seen_time() = ToTimestamp(finding.last_seen_ns);
  out.set_occurrence_count(Saturated(finding.count));
  out.set_open(finding.open);
  return out;
}

}  // namespace shmemd::convert
