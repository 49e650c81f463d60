#include "client/print/diagnosis.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "client/print/backend_printer.h"
#include "client/print/resource_name.h"
#include "client/print/units.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

using Findings = std::vector<v1::Finding>;

constexpr char kServer[] = "server";

// As the alerts of deploy/prometheus have them.
constexpr double kNearlyFull = 0.9;
constexpr double kHalfUsed = 0.5;
constexpr double kFragmented = 0.8;

// Whether the resource is this one, or a part of it.
bool IsOf(const std::string& resource, const std::string& whole) {
  return resource.starts_with(whole) && (resource.size() == whole.size() || resource[whole.size()] == '/');
}

v1::Finding Problem(const char* code, v1::Finding::Severity severity, const std::string& resource,
                    std::string summary, const char* remedy) {
  v1::Finding finding;
  finding.set_code(code);
  finding.set_severity(severity);
  finding.set_resource(resource);
  finding.set_summary(std::move(summary));
  finding.set_remedy(remedy);
  finding.set_occurrence_count(1);
  finding.set_open(true);
  return finding;
}

DoctorCheck Serving(const ServerView& view) {
  DoctorCheck check{kServer, "serving", "its health service says SERVING"};
  if (view.health == "SERVING") return check;
  check.problems.push_back(Problem("SERVER_NOT_SERVING", v1::Finding::ERROR, kServer,
                                   absl::StrCat("the health service says ", view.health),
                                   "It is starting or ending; its log says which."));
  return check;
}

DoctorCheck Synced(const ServerView& view) {
  DoctorCheck check{kServer, "synced", "what it shows is complete"};
  if (view.info.synced()) return check;
  check.problems.push_back(Problem("SERVER_NOT_SYNCED", v1::Finding::WARNING, kServer,
                                   "what it shows is not complete: events were lost and are caught up with",
                                   "Ask again. If it stays so, this host is overloaded: look at the CPU "
                                   "limit of shmemd."));
  return check;
}

// "1.2.3" -> "1.2".
std::string MinorOf(const std::string& version) { return version.substr(0, version.rfind('.')); }

DoctorCheck Versions(const ServerView& view, const std::string& client_version) {
  DoctorCheck check{kServer, "version", "shmemctl and shmemd are of one version"};
  const std::string& version = view.info.version();
  if (version == client_version) return check;
  const bool patch = MinorOf(version) == MinorOf(client_version);
  v1::Finding problem = Problem("VERSION_SKEW", patch ? v1::Finding::INFO : v1::Finding::WARNING, kServer,
                                absl::StrCat("shmemd is ", version, ", shmemctl ", client_version),
                                "What one knows may be missing in the other: use the same version of both.");
  (*problem.mutable_evidence())["client_version"] = client_version;
  (*problem.mutable_evidence())["server_version"] = version;
  check.problems.push_back(std::move(problem));
  return check;
}

v1::Finding::Severity SeverityOf(v1::Backend::State state) {
  switch (state) {
    case v1::Backend::FAILED:
    case v1::Backend::DISCONNECTED:
      return v1::Finding::ERROR;
    case v1::Backend::CONNECTING:
    case v1::Backend::UNSUPPORTED:
      return v1::Finding::WARNING;
    default:
      return v1::Finding::INFO;
  }
}

const char* RemedyOf(v1::Backend::State state) {
  switch (state) {
    case v1::Backend::WAITING_FOR_FRONTEND:
      return "Start the VM with this device at the front-end's socket.";
    case v1::Backend::UNSUPPORTED:
      return "Without SHMEM there is nothing to see: shmemctl features shows what is offered; a newer "
             "back-end "
             "may have it.";
    case v1::Backend::CONNECTING:
    case v1::Backend::DISCONNECTED:
      return "Start the back-end; shmemd connects by itself. shmemctl backends -o wide shows the socket.";
    case v1::Backend::FAILED:
      return "shmemctl events shows what came before, shmemctl probe how the back-end keeps the rules.";
    default:
      return "It is on its way: look again.";
  }
}

DoctorCheck State(const v1::Backend& backend) {
  DoctorCheck check{backend.name(), "state", "the back-end is up"};
  if (backend.state() == v1::Backend::ACTIVE || backend.state() == v1::Backend::PROBED) return check;
  const std::string why = DescribeState(backend);
  const std::string state = v1::Backend::State_Name(backend.state());
  v1::Finding problem =
      Problem("BACKEND_NOT_UP", SeverityOf(backend.state()), backend.name(),
              absl::StrCat("it is ", state, why.empty() ? "" : ": ", why), RemedyOf(backend.state()));
  (*problem.mutable_evidence())["state"] = state;
  if (backend.state_reason() != v1::Backend::STATE_REASON_UNSPECIFIED) {
    (*problem.mutable_evidence())["state_reason"] = v1::Backend::StateReason_Name(backend.state_reason());
  }
  check.problems.push_back(std::move(problem));
  return check;
}

DoctorCheck Observed(const v1::Backend& backend) {
  DoctorCheck check{backend.name(), "observed", "its conversation can be followed"};
  if (backend.state() != v1::Backend::ACTIVE || !backend.has_observed() || backend.observed()) return check;
  check.problems.push_back(
      Problem("SESSION_UNOBSERVED", v1::Finding::WARNING, backend.name(),
              absl::StrCat("traffic goes on, but cannot be followed: ", backend.unobserved_reason()),
              "What is shown is as old as the moment when it was lost; the next session is followed again."));
  return check;
}

void AddSizes(const v1::Region& region, v1::Finding* problem) {
  auto& evidence = *problem->mutable_evidence();
  if (region.has_size_bytes()) evidence["size_bytes"] = absl::StrCat(region.size_bytes());
  if (region.has_mapped_bytes()) evidence["mapped_bytes"] = absl::StrCat(region.mapped_bytes());
  if (region.has_free_bytes()) evidence["free_bytes"] = absl::StrCat(region.free_bytes());
  if (region.has_largest_free_extent_bytes()) {
    evidence["largest_free_extent_bytes"] = absl::StrCat(region.largest_free_extent_bytes());
  }
}

// What is free or STALE, which a map replaces; never more than the size, though STALE mappings may lie beyond
// it.
int64_t RoomOf(const v1::Region& region) {
  const int64_t occupied = std::max<int64_t>(region.size_bytes() - region.free_bytes(), 0);
  return region.free_bytes() + std::min(region.stale_bytes(), occupied);
}

void JudgeRoom(const v1::Region& region, Findings* problems) {
  if (!region.has_free_bytes() || region.size_bytes() <= 0) return;
  const int64_t used = region.size_bytes() - RoomOf(region);
  const bool full = used >= region.size_bytes();
  const double share = static_cast<double>(used) / static_cast<double>(region.size_bytes());
  if (!full && share <= kNearlyFull) return;
  problems->push_back(Problem(
      full ? "REGION_FULL" : "REGION_NEARLY_FULL", full ? v1::Finding::ERROR : v1::Finding::WARNING,
      region.name(),
      full ? absl::StrCat("nothing is free in ", FormatBytes(region.size_bytes()), ": the next map fails")
           : absl::StrCat(FormatShare(used, region.size_bytes()), " of ", FormatBytes(region.size_bytes()),
                          " is mapped, ", FormatBytes(region.free_bytes()), " is free",
                          region.stale_bytes() > 0
                              ? absl::StrCat(" and ", FormatBytes(region.stale_bytes()), " is STALE")
                              : ""),
      "shmemctl map shows what lies where, shmemctl mappings --sort age what has been there longest. The "
      "size is "
      "the back-end's choice."));
  AddSizes(region, &problems->back());
}

void JudgeHoles(const v1::Region& region, Findings* problems) {
  if (!region.has_largest_free_extent_bytes() || region.free_bytes() <= 0 || region.size_bytes() <= 0) return;
  const double used = static_cast<double>(region.mapped_bytes()) / static_cast<double>(region.size_bytes());
  const double spread =
      1 - static_cast<double>(region.largest_free_extent_bytes()) / static_cast<double>(region.free_bytes());
  if (used <= kHalfUsed || spread <= kFragmented) return;
  problems->push_back(
      Problem("REGION_FRAGMENTED", v1::Finding::INFO, region.name(),
              absl::StrCat(FormatBytes(region.free_bytes()), " is free in ", region.free_extent_count(),
                           " holes, the largest of ", FormatBytes(region.largest_free_extent_bytes())),
              "A large map may fail although there is room. Only the back-end chooses offsets: long-lived "
              "buffers belong at one end, or into a region of their own."));
  AddSizes(region, &problems->back());
}

void JudgeRisk(const v1::Region& region, Findings* problems) {
  const int64_t beyond = region.at_risk_bytes() - region.stale_bytes();
  if (beyond > 0) {
    problems->push_back(Problem(
        "REGION_AT_RISK", v1::Finding::ERROR, region.name(),
        absl::StrCat(FormatBytes(beyond), " is mapped beyond the end of its file: touching it ends the VMM"),
        "shmemctl mappings --at-risk -o wide lists them. Files should be sealed against shrinking before "
        "they "
        "are mapped."));
  }
  if (region.stale_bytes() > 0) {
    problems->push_back(
        Problem("REGION_STALE", v1::Finding::WARNING, region.name(),
                absl::StrCat(FormatBytes(region.stale_bytes()),
                             " may still be mapped although its owner may be gone"),
                "shmemctl mappings --stale lists them. The next reset of the device, or the end "
                "of the VM's session, clears them."));
  }
}

void JudgeExposure(const v1::Region& region, Findings* problems) {
  if (region.exposed_by_frontend() != v1::Region::NO) return;
  problems->push_back(
      Problem("REGION_NOT_EXPOSED", v1::Finding::WARNING, region.name(),
              "the VMM leaves it out: the guest does not see this region",
              "num_regions is too small: the back-end must count all regions. shmemctl regions "
              "shows what it sent."));
}

void AddRegionChecks(const ServerView& view, const v1::Backend& backend, std::vector<DoctorCheck>* checks) {
  const std::string& id = backend.name();
  // Else what is mapped there is not known: nobody can map, or nobody saw it.
  const bool down = backend.state() == v1::Backend::DISCONNECTED || backend.state() == v1::Backend::FAILED;
  const bool followed = !down && (!backend.has_observed() || backend.observed());
  DoctorCheck room{id, "room", "its regions have room"};
  DoctorCheck holes{id, "fragmentation", "what is free lies together"};
  DoctorCheck risk{id, "at-risk", "all that is mapped is safe to touch"};
  DoctorCheck exposure{id, "exposure", "the guest sees all its regions"};
  for (const v1::Region& region : view.regions.regions()) {
    if (!IsOf(region.name(), id)) continue;
    if (followed) {
      JudgeRoom(region, &room.problems);
      JudgeHoles(region, &holes.problems);
    }
    JudgeRisk(region, &risk.problems);
    JudgeExposure(region, &exposure.problems);
  }
  for (DoctorCheck* check : {&room, &holes, &risk, &exposure}) checks->push_back(std::move(*check));
}

// Findings of shmemd itself, or of one back-end and its regions.
DoctorCheck Found(const ServerView& view, const std::string& subject) {
  DoctorCheck check{subject, "findings", "shmemd found nothing odd"};
  for (const v1::Finding& finding : view.findings.findings()) {
    if (finding.open() && IsOf(finding.resource(), subject)) check.problems.push_back(finding);
  }
  return check;
}

}  // namespace

std::vector<DoctorCheck> Diagnose(const ServerView& view, const std::string& client_version) {
  std::vector<DoctorCheck> checks = {
      {kServer, "reachable", "it answers"}, Serving(view), Synced(view), Versions(view, client_version)};
  checks.push_back(Found(view, kServer));
  for (const v1::Backend& backend : view.backends.backends()) {
    checks.push_back(State(backend));
    checks.push_back(Observed(backend));
    AddRegionChecks(view, backend, &checks);
    checks.push_back(Found(view, backend.name()));
  }
  return checks;
}

std::vector<DoctorCheck> DiagnoseUnreachable(const std::string& why) {
  return {{kServer,
           "reachable",
           "it answers",
           {Problem("SERVER_UNREACHABLE", v1::Finding::ERROR, kServer, why,
                    "Nothing else can be checked. Is shmemd running, and is this where it serves?")}}};
}

std::vector<v1::Finding> WorstFirst(const std::vector<DoctorCheck>& checks) {
  Findings problems;
  for (const DoctorCheck& check : checks) {
    problems.insert(problems.end(), check.problems.begin(), check.problems.end());
  }
  std::stable_sort(problems.begin(), problems.end(),
                   [](const v1::Finding& a, const v1::Finding& b) { return a.severity() > b.severity(); });
  return problems;
}

}  // namespace shmemd::client
