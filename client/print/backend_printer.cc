#include "client/print/backend_printer.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <vector>

#include "client/print/resource_name.h"
#include "client/print/text.h"
#include "client/print/units.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

constexpr char kNone[] = "-";

// Whether a relayed conversation goes on that cannot be followed.
bool GoesOnUnseen(const v1::Backend& backend) {
  const bool goes_on = backend.state() == v1::Backend::ACTIVE ||
                       (backend.mode() == v1::Backend::RELAY && backend.state() == v1::Backend::NEGOTIATING);
  return goes_on && backend.mode() != v1::Backend::PROBE && backend.has_observed() && !backend.observed();
}

Color ColorOf(const v1::Backend& backend) {
  switch (backend.state()) {
    case v1::Backend::ACTIVE:
      return GoesOnUnseen(backend) ? Color::kYellow : Color::kGreen;
    case v1::Backend::PROBED:
      return Color::kGreen;
    case v1::Backend::FAILED:
    case v1::Backend::DISCONNECTED:
      return Color::kRed;
    default:
      return Color::kYellow;
  }
}

std::string Process(bool known, const v1::PeerProcess& process) {
  if (!known) return kNone;
  std::string text = absl::StrCat("uid ", process.uid());
  if (process.has_pid()) absl::StrAppend(&text, " pid ", process.pid());
  if (!process.command().empty()) absl::StrAppend(&text, " ", process.command());
  return text;
}

std::vector<Column> Columns(bool wide) {
  std::vector<Column> columns = {{"BACKEND", Align::kLeft, 8},
                                 {"MODE"},
                                 {"STATE"},
                                 {"REGIONS", Align::kRight},
                                 {"SIZE", Align::kRight, 0, true},
                                 {"MAPPED", Align::kRight},
                                 {"MAPPINGS", Align::kRight, 0, true},
                                 {"AT RISK", Align::kRight, 0, true},
                                 {"FINDINGS", Align::kRight},
                                 {"WHY", Align::kLeft, 12}};
  if (!wide) return columns;
  columns.insert(columns.end(), {{"SENT"},
                                 {"SOCKET"},
                                 {"PROCESS"},
                                 {"FRONTEND SOCKET"},
                                 {"FRONTEND PROCESS"},
                                 {"DEVICE"},
                                 {"STALE", Align::kRight},
                                 {"QUERY"},
                                 {"GUARD"},
                                 {"GUARDED", Align::kRight},
                                 {"RESETS", Align::kRight},
                                 {"EPOCH", Align::kRight},
                                 {"PENDING", Align::kRight},
                                 {"OBSERVED"},
                                 {"CONNECTED"},
                                 {"UPDATED"},
                                 {"UID"}});
  return columns;
}

// An enum's name as configuration has it.
Cell Word(bool known, const std::string& name) { return {known ? absl::AsciiStrToLower(name) : kNone}; }

// As configuration has it: "listen /run/vm.sock" where we do.
Cell Socket(const v1::Backend& backend, const std::string& path, v1::Backend::SocketRole role) {
  if (path.empty()) return {kNone};
  if (backend.mode() != v1::Backend::RELAY) return {path};
  return {absl::StrCat(role == v1::Backend::LISTEN ? "listen " : "connect ", path)};
}

std::string Device(const v1::Backend& backend) {
  return backend.device_state() == v1::Backend::DEVICE_STATE_UNSPECIFIED
             ? kNone
             : v1::Backend::DeviceState_Name(backend.device_state());
}

Cell Count(bool known, int64_t count) { return {known ? absl::StrCat(count) : kNone}; }

std::vector<Cell> Cells(const v1::Backend& backend, const PrintStyle& style) {
  const v1::BackendTotals& totals = backend.totals();
  const auto bytes = [&style](bool known, int64_t value) {
    return Cell(known ? FormatBytes(value, style.bytes) : kNone);
  };
  Cell at_risk = bytes(totals.has_at_risk_bytes(), totals.at_risk_bytes());
  if (totals.at_risk_bytes() > 0) at_risk.color = Color::kRed;
  Cell stale = bytes(totals.has_stale_bytes(), totals.stale_bytes());
  if (totals.stale_bytes() > 0) stale.color = Color::kRed;
  Cell findings = Count(totals.has_open_finding_count(), totals.open_finding_count());
  if (totals.open_finding_count() > 0) findings.color = Color::kYellow;
  std::vector<Cell> cells = {BackendId(backend.name()),
                             absl::AsciiStrToLower(v1::Backend::Mode_Name(backend.mode())),
                             {v1::Backend::State_Name(backend.state()), ColorOf(backend)},
                             Count(totals.has_region_count(), totals.region_count()),
                             bytes(totals.has_size_bytes(), totals.size_bytes()),
                             bytes(totals.has_mapped_bytes(), totals.mapped_bytes()),
                             Count(totals.has_mapping_count(), totals.mapping_count()),
                             at_risk,
                             findings,
                             DescribeState(backend)};
  if (!style.wide) return cells;
  cells.insert(
      cells.end(),
      {DescribeConfig(backend.config()),
       Socket(backend, backend.backend_socket(), backend.backend_socket_role()),
       Process(backend.has_backend_process(), backend.backend_process()),
       Socket(backend, backend.frontend_socket(), backend.frontend_socket_role()),
       Process(backend.has_frontend_process(), backend.frontend_process()), Device(backend), stale,
       Word(backend.query() != v1::Backend::QUERY_UNSPECIFIED, v1::Backend::Query_Name(backend.query())),
       Word(backend.guard() != v1::Backend::GUARD_UNSPECIFIED, v1::Backend::Guard_Name(backend.guard())),
       Count(backend.has_guard_action_count(), backend.guard_action_count()),
       Count(backend.has_reset_count(), backend.reset_count()),
       Count(backend.has_connection_epoch(), backend.connection_epoch()),
       Count(backend.has_pending_request_count(), backend.pending_request_count()),
       std::string(backend.observed() ? "yes" : "no"),
       backend.has_connect_time() ? FormatTime(backend.connect_time()) : kNone,
       backend.has_update_time() ? FormatTime(backend.update_time()) : kNone, backend.uid()});
  return cells;
}

std::string Meaning(const v1::ShmemConfig& config) {
  switch (config.num_regions_meaning()) {
    case v1::ShmemConfig::COUNT_OR_SPAN:
      return "count or span";
    case v1::ShmemConfig::COUNT:
      return "count";
    case v1::ShmemConfig::SPAN:
      return absl::StrCat("span: the highest shmid is ", config.highest_shmid(), ", ",
                          config.nonzero_size_count(), " sizes are not zero");
    case v1::ShmemConfig::TOO_SMALL:
      return absl::StrCat("too small: ", config.nonzero_size_count(), " sizes are not zero");
    case v1::ShmemConfig::TOO_LARGE:
      return absl::StrCat("too large: ", config.nonzero_size_count(), " sizes are not zero");
    default:
      return "meaning unknown";
  }
}

// The bits that are set, lowest first: the names of the API are in this order.
std::vector<int> BitsOf(uint64_t mask) {
  std::vector<int> bits;
  for (int bit = 0; bit < 64; ++bit) {
    if (((mask >> bit) & 1) != 0) bits.push_back(bit);
  }
  return bits;
}

std::string ShmemLine(const v1::Features& features) {
  constexpr int kShmemBit = 22;
  if (!features.has_shmem_feature_bit()) return "SHMEM is not offered";
  if (features.shmem_feature_bit() == kShmemBit) return absl::StrCat("SHMEM is offered at bit ", kShmemBit);
  return absl::StrCat("SHMEM seems to be offered at bit ", features.shmem_feature_bit(),
                      ", which is of an older dialect; ", kShmemBit, " is what the specification says");
}

}  // namespace

std::string RenderBackends(const AnsweredList<v1::ListBackendsResponse>& answers, const PrintStyle& style) {
  Table table(Columns(style.wide));
  for (const auto& [endpoint, answer] : answers) {
    table.SetEndpoint(endpoint);
    for (const v1::Backend& backend : answer->backends()) table.AddRow(Cells(backend, style));
  }
  return table.Render(style);
}

std::string RenderFeatures(const v1::Features& features, const PrintStyle& style) {
  std::string text;
  if (style.headers) {
    const int limit = style.wide ? 0 : style.terminal.width;
    const auto hex = [](uint64_t bits) { return FormatHex(static_cast<int64_t>(bits)); };
    const std::string masks =
        absl::StrCat("virtio features ", hex(features.virtio_features()), ", protocol features offered ",
                     hex(features.offered_protocol_features()), ", acknowledged ",
                     hex(features.acked_protocol_features()));
    text = absl::StrCat(Wrapped("", ShmemLine(features), limit), Wrapped("", masks, limit), "\n");
  }
  Table table({{"BIT", Align::kRight}, {"PROTOCOL FEATURE"}, {"OFFERED"}, {"ACKNOWLEDGED"}});
  const std::vector<int> bits = BitsOf(features.offered_protocol_features());
  for (int i = 0; i < features.offered_protocol_feature_names_size(); ++i) {
    const auto index = static_cast<size_t>(i);
    const bool known = index < bits.size();
    const bool acked = known && ((features.acked_protocol_features() >> bits[index]) & 1) != 0;
    table.AddRow({known ? absl::StrCat(bits[index]) : kNone, features.offered_protocol_feature_names(i),
                  std::string("yes"), Cell(acked ? "yes" : "no", acked ? Color::kGreen : Color::kNone)});
  }
  return text += table.Render(style);
}

std::string DescribeState(const v1::Backend& backend) {
  if (!backend.state_detail().empty()) return backend.state_detail();
  if (backend.state_reason() != v1::Backend::STATE_REASON_UNSPECIFIED) {
    return v1::Backend::StateReason_Name(backend.state_reason());
  }
  if (backend.state() == v1::Backend::WAITING_FOR_FRONTEND)
    return absl::StrCat("no VMM at ", backend.frontend_socket());
  // Why it is not followed goes without saying while the state says it.
  return GoesOnUnseen(backend) ? backend.unobserved_reason() : "";
}

std::string DescribeConfig(const v1::ShmemConfig& config) {
  if (!config.has_reported_num_regions()) return "no region configuration seen yet";
  std::string text = absl::StrCat("num_regions ", config.reported_num_regions(), " (", Meaning(config),
                                  "), reply ", config.reply_payload_bytes(), " B");
  if (config.padding_nonzero()) text += ", padding not zero";
  return text;
}

std::string RenderConfigs(const v1::ListBackendsResponse& backends, const PrintStyle& style) {
  std::string text;
  for (const v1::Backend& backend : backends.backends()) {
    std::string line = absl::StrCat(Printable(BackendId(backend.name()), style.terminal.utf8), ": ",
                                    DescribeConfig(backend.config()));
    const bool live = backend.state() == v1::Backend::ACTIVE || backend.state() == v1::Backend::PROBED;
    if (!live || GoesOnUnseen(backend)) {
      const std::string why = DescribeState(backend);
      absl::StrAppend(&line, "; ", v1::Backend::State_Name(backend.state()), why.empty() ? "" : ": ",
                      Printable(why, style.terminal.utf8));
    }
    text += Wrapped("", line, style.wide ? 0 : style.terminal.width);
  }
  return text;
}

}  // namespace shmemd::client
