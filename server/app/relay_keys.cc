#include "server/app/relay_keys.h"

#include <absl/strings/str_cat.h>

#include <array>
#include <cstddef>

#include "server/app/setting_value.h"

namespace shmemd::app {
namespace {

constexpr std::string_view kSection = "relay.";

using Set = std::function<absl::Status(state::BackendSpec&, const std::string&)>;

// One of the names of an enum, as the model has them.
template <typename Enum, size_t kCount>
Set OneOf(Enum state::BackendSpec::*field, const std::array<Enum, kCount>& values,
          const char* (*name_of)(Enum)) {
  return [=](state::BackendSpec& spec, const std::string& text) {
    std::string names;
    for (size_t i = 0; i < kCount; ++i) {
      if (text == name_of(values[i])) {
        spec.*field = values[i];
        return absl::OkStatus();
      }
      absl::StrAppend(&names, i == 0 ? "" : i + 1 == kCount ? " or " : ", ", name_of(values[i]));
    }
    return Expected(names, text);
  };
}

template <typename Field, typename Parse>
Set Parsed(Field state::BackendSpec::*field, Parse parse) {
  return [=](state::BackendSpec& spec, const std::string& text) {
    const auto parsed = parse(text);
    if (parsed.ok()) spec.*field = static_cast<Field>(*parsed);
    return parsed.status();
  };
}

}  // namespace

std::string_view RelayKey::name() const { return setting.substr(kSection.size()); }

const std::vector<RelayKey>& RelayKeys() {
  using state::BackendSpec;
  using state::Guard;
  using state::OnBackendMissing;
  using state::Query;
  static const auto& keys = *new std::vector<RelayKey>{
      {"relay.query", "--query", "QUERY", "snoop",
       "snoop: read the answer that the VMM asks for; inject: ask the back-end ourselves, too",
       OneOf(&BackendSpec::query, std::array{Query::kSnoop, Query::kInject}, state::QueryName)},
      {"relay.guard", "--guard", "GUARD", "warn",
       "about requests that hurt a VMM: off; warn: a finding; protect: keep those from it that crash it",
       OneOf(&BackendSpec::guard, std::array{Guard::kOff, Guard::kWarn, Guard::kProtect}, state::GuardName)},
      {"relay.on_backend_missing", "--on-backend-missing", "WHAT", "wait",
       "a VMM that comes before the back-end: wait: is accepted when it is there; refuse: is turned away",
       OneOf(&BackendSpec::on_backend_missing, std::array{OnBackendMissing::kWait, OnBackendMissing::kRefuse},
             state::OnBackendMissingName)},
      {"relay.socket_mode", "--relay-socket-mode", "MODE", "0660",
       "file mode of the sockets that relays listen at", Parsed(&BackendSpec::socket_mode, ParseFileMode)},
      {"relay.socket_owner", "--relay-socket-owner", "USER", "as created", "their owner, a name or number",
       Parsed(&BackendSpec::socket_owner, ParseUser)},
      {"relay.socket_group", "--relay-socket-group", "GROUP", "that of the directory",
       "their group, a name or number", Parsed(&BackendSpec::socket_group, ParseGroup)},
  };
  return keys;
}

state::BackendSpec PlainRelay() {
  state::BackendSpec spec;
  spec.mode = state::Mode::kRelay;
  return spec;
}

}  // namespace shmemd::app
