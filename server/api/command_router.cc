#include "server/api/command_router.h"

#include <absl/strings/str_cat.h>

#include <variant>
#include <vector>

#include "server/base/file_id.h"

namespace shmemd::api {

void CommandRouter::Submit(feed::CommandBody body, int64_t deadline_ns,
                           feed::Control::Completion done) const {
  if (const auto* probe = std::get_if<feed::ProbeCommand>(&body)) {
    if (const std::string id = RelayAt(probe->socket); !id.empty()) {
      return done({feed::CommandFailure::kBackendBusy,
                   absl::StrCat("probe ", probe->socket, ": in use by back-end ", id, ", which is relayed"),
                   std::nullopt});
    }
  }
  const std::string* backend_id = nullptr;
  if (const auto* refresh = std::get_if<feed::RefreshCommand>(&body)) backend_id = &refresh->backend_id;
  if (const auto* reset = std::get_if<feed::ResetPeaksCommand>(&body)) backend_id = &reset->backend_id;
  const bool relayed = relay_ != nullptr && backend_id != nullptr && IsRelayed(*backend_id);
  (relayed ? *relay_ : frontend_).Submit(std::move(body), deadline_ns, std::move(done));
}

bool CommandRouter::IsRelayed(const std::string& backend_id) const {
  bool relayed = false;
  reader_([&](const feed::ReplicaView& view) {
    const state::Backend* backend = view.Find(backend_id);
    relayed = backend != nullptr && backend->spec().mode == state::Mode::kRelay;
  });
  return relayed;
}

std::string CommandRouter::RelayAt(const std::string& socket) const {
  std::vector<state::BackendSpec> relays;
  reader_([&](const feed::ReplicaView& view) {
    for (const auto& [id, backend] : view.backends) {
      if (backend->spec().mode == state::Mode::kRelay) relays.push_back(backend->spec());
    }
  });
  for (const state::BackendSpec& spec : relays) {
    if (base::IsSameFile(spec.backend_socket, socket) || base::IsSameFile(spec.frontend_socket, socket))
      return spec.id;
  }
  return {};
}

}  // namespace shmemd::api
