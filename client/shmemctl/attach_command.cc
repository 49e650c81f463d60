// attach: have shmemd look at a back-end.
#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <grp.h>
#include <pwd.h>

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "client/print/backend_printer.h"
#include "client/shmemctl/command_line.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

struct AttachArguments {
  std::string id;
  std::string relay;
  std::string frontend;
  std::string probe;
  std::string query;
  std::string guard;
  std::string on_backend_missing;
  std::string socket_mode;
  std::string socket_owner;
  std::string socket_group;
  bool validate_only = false;
};

struct Socket {
  std::string path;
  v1::Backend::SocketRole role = v1::Backend::SOCKET_ROLE_UNSPECIFIED;
};

// "PATH", "connect:PATH", "listen:PATH".
absl::StatusOr<Socket> ParseSocket(const std::string& flag, std::string text) {
  Socket socket;
  if (text.starts_with("connect:")) socket.role = v1::Backend::CONNECT;
  if (text.starts_with("listen:")) socket.role = v1::Backend::LISTEN;
  if (socket.role != v1::Backend::SOCKET_ROLE_UNSPECIFIED) text.erase(0, text.find(':') + 1);
  if (!text.starts_with('/')) {
    return absl::InvalidArgumentError(absl::StrCat(
        flag, ": expected an absolute path, for shmemd does not know this directory; got \"", text, "\""));
  }
  socket.path = std::move(text);
  return socket;
}

absl::Status SetRelay(const AttachArguments& arguments, v1::Backend* backend) {
  const size_t comma = arguments.relay.find(',');
  if (comma == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("--relay: expected the socket of the VMM and that of the back-end as "
                     "/run/vhost-user/gpu0.sock,/run/backends/gpu0.sock, got \"",
                     arguments.relay, "\""));
  }
  auto vmm = ParseSocket("--relay", arguments.relay.substr(0, comma));
  if (!vmm.ok()) return vmm.status();
  auto device = ParseSocket("--relay", arguments.relay.substr(comma + 1));
  if (!device.ok()) return device.status();
  backend->set_mode(v1::Backend::RELAY);
  backend->set_frontend_socket(vmm->path);
  backend->set_frontend_socket_role(vmm->role);
  backend->set_backend_socket(device->path);
  backend->set_backend_socket_role(device->role);
  return absl::OkStatus();
}

absl::Status SetDirect(const AttachArguments& arguments, v1::Backend* backend) {
  const bool probe = !arguments.probe.empty();
  auto socket = ParseSocket(probe ? "--probe" : "--frontend", probe ? arguments.probe : arguments.frontend);
  if (!socket.ok()) return socket.status();
  backend->set_mode(probe ? v1::Backend::PROBE : v1::Backend::FRONTEND);
  backend->set_backend_socket(socket->path);
  backend->set_backend_socket_role(socket->role);
  return absl::OkStatus();
}

// CLI11 has checked the words; an empty one leaves the field as it is.
void SetRelayOptions(const AttachArguments& arguments, v1::Backend* backend) {
  v1::Backend::Query query = v1::Backend::QUERY_UNSPECIFIED;
  v1::Backend::Guard guard = v1::Backend::GUARD_UNSPECIFIED;
  v1::Backend::OnBackendMissing missing = v1::Backend::ON_BACKEND_MISSING_UNSPECIFIED;
  if (v1::Backend::Query_Parse(absl::AsciiStrToUpper(arguments.query), &query)) backend->set_query(query);
  if (v1::Backend::Guard_Parse(absl::AsciiStrToUpper(arguments.guard), &guard)) backend->set_guard(guard);
  if (v1::Backend::OnBackendMissing_Parse(absl::AsciiStrToUpper(arguments.on_backend_missing), &missing)) {
    backend->set_on_backend_missing(missing);
  }
}

// A number, or a name that this machine knows.
absl::StatusOr<uint32_t> ParseOwner(const std::string& text) {
  uint32_t number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  if (const passwd* user = getpwnam(text.c_str())) return user->pw_uid;
  return absl::InvalidArgumentError(absl::StrCat("--socket-owner: there is no user ", text));
}

absl::StatusOr<uint32_t> ParseGroup(const std::string& text) {
  uint32_t number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  if (const group* found = getgrnam(text.c_str())) return found->gr_gid;
  return absl::InvalidArgumentError(absl::StrCat("--socket-group: there is no group ", text));
}

absl::StatusOr<uint32_t> ParseMode(const std::string& text) {
  constexpr uint32_t kMostMode = 0777;
  char* end = nullptr;
  const unsigned long mode = std::strtoul(text.c_str(), &end, 8);
  if (*end == '\0' && mode <= kMostMode) return static_cast<uint32_t>(mode);
  return absl::InvalidArgumentError(
      absl::StrCat("--socket-mode: expected an octal number up to 0777, got \"", text, "\""));
}

absl::Status SetListenOptions(const AttachArguments& arguments, v1::Backend* backend) {
  if (!arguments.socket_mode.empty()) {
    const auto mode = ParseMode(arguments.socket_mode);
    if (!mode.ok()) return mode.status();
    backend->mutable_listen_options()->set_mode(*mode);
  }
  if (!arguments.socket_owner.empty()) {
    const auto uid = ParseOwner(arguments.socket_owner);
    if (!uid.ok()) return uid.status();
    backend->mutable_listen_options()->set_uid(*uid);
  }
  if (!arguments.socket_group.empty()) {
    const auto gid = ParseGroup(arguments.socket_group);
    if (!gid.ok()) return gid.status();
    backend->mutable_listen_options()->set_gid(*gid);
  }
  return absl::OkStatus();
}

bool SaysHowToRelay(const AttachArguments& arguments) {
  return !(arguments.query + arguments.guard + arguments.on_backend_missing + arguments.socket_mode +
           arguments.socket_owner + arguments.socket_group)
              .empty();
}

absl::StatusOr<v1::AttachBackendRequest> MakeRequest(const AttachArguments& arguments) {
  v1::AttachBackendRequest request;
  request.set_backend_id(arguments.id);
  request.set_validate_only(arguments.validate_only);
  v1::Backend* backend = request.mutable_backend();
  const bool relay = !arguments.relay.empty();
  if (!relay && arguments.frontend.empty() && arguments.probe.empty()) {
    return absl::InvalidArgumentError(
        "how? --relay VMM,BACKEND (next to a running VM), --frontend SOCKET (developing a back-end) or "
        "--probe SOCKET (only sizes)");
  }
  if (!relay && SaysHowToRelay(arguments)) {
    return absl::InvalidArgumentError(
        "--query, --guard, --on-backend-missing and --socket-... are for --relay");
  }
  absl::Status status = relay ? SetRelay(arguments, backend) : SetDirect(arguments, backend);
  if (status.ok()) status = SetListenOptions(arguments, backend);
  if (!status.ok()) return status;
  SetRelayOptions(arguments, backend);
  return request;
}

ExitCode Attach(Context& context, const AttachArguments& arguments) {
  const auto request = MakeRequest(arguments);
  if (!request.ok()) return context.Fail(request.status());
  const auto client = context.Connect(Role::kAdmin);
  if (!client.ok()) return context.Fail(client.status());
  auto backend = client->AttachBackend(*request);
  if (!backend.ok()) return context.Fail(backend.status(), context.asked());
  if (context.structured()) {
    context.PrintMessage(*backend);
  } else if (context.quiet()) {
    return ExitCode::kOk;
  } else if (arguments.validate_only) {
    context.Print(absl::StrCat(arguments.id, " can be attached\n"));
  } else {
    v1::ListBackendsResponse list;
    *list.add_backends() = *std::move(backend);
    context.Print(client::RenderBackends(list, context.style()));
  }
  return ExitCode::kOk;
}

void AddHow(CLI::App* command, AttachArguments* arguments) {
  CLI::Option* relay =
      command
          ->add_option("--relay", arguments->relay,
                       "Next to a running VM: listens at VMM, connects to BACKEND; listen: or connect: in "
                       "front says otherwise")
          ->type_name("VMM,BACKEND");
  CLI::Option* frontend = command
                              ->add_option("--frontend", arguments->frontend,
                                           "Developing a back-end: shmemd is its only front-end")
                              ->type_name("SOCKET");
  CLI::Option* probe =
      command->add_option("--probe", arguments->probe, "Only sizes: shmemd connects, asks once and leaves")
          ->type_name("SOCKET");
  relay->excludes(frontend)->excludes(probe);
  frontend->excludes(probe);
}

void AddRelayFlags(CLI::App* command, AttachArguments* arguments) {
  using Words = std::set<std::string>;
  command->add_option("--query", arguments->query, "Relay: only the VMM asks for regions, or shmemd, too")
      ->check(CLI::IsMember(Words{"snoop", "inject"}));
  command
      ->add_option("--guard", arguments->guard, "Relay: what is done about requests that would crash the VMM")
      ->check(CLI::IsMember(Words{"off", "warn", "protect"}));
  command
      ->add_option("--on-backend-missing", arguments->on_backend_missing,
                   "Relay: what becomes of a VMM that comes before the back-end")
      ->check(CLI::IsMember(Words{"wait", "refuse"}));
  command
      ->add_option("--socket-mode", arguments->socket_mode,
                   "File mode of sockets that shmemd listens at (0660)")
      ->type_name("MODE");
  command->add_option("--socket-owner", arguments->socket_owner, "Their owner, a name or number")
      ->type_name("USER");
  command->add_option("--socket-group", arguments->socket_group, "Their group, a name or number")
      ->type_name("GROUP");
}

}  // namespace

void AddAttachCommand(CommandLine* line) {
  auto arguments = std::make_shared<AttachArguments>();
  CLI::App* command = line->Add("attach", "Have shmemd look at a back-end (needs the admin role)",
                                "attach gpu0 --frontend /run/backends/gpu0.sock\n"
                                "attach media0 --relay /run/vm/media0.sock,/run/backends/media0.sock\n"
                                "attach cam0 --probe /run/backends/cam0.sock --validate-only",
                                [arguments](Context& context) { return Attach(context, *arguments); });
  command->add_option("ID", arguments->id, "What to call it: small letters, digits, - and .")->required();
  AddHow(command, arguments.get());
  AddRelayFlags(command, arguments.get());
  command->add_flag("--validate-only", arguments->validate_only, "Only say whether it would be attached");
}

}  // namespace shmemd::shmemctl
