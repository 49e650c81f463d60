#include "tests/peers/vmm_script_reader.h"

#include <yaml-cpp/yaml.h>

#include <fstream>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "tests/peers/units.h"
#include "tests/peers/vmm_misbehaviour.h"
#include "tests/peers/yaml_fields.h"

namespace shmemd::peers {
namespace {

using Kind = VmmStep::Kind;

constexpr Choice<Kind> kSimpleSteps[] = {{"start", Kind::kStart},
                                         {"cont", Kind::kStart},
                                         {"stop", Kind::kStop},
                                         {"reset", Kind::kReset},
                                         {"reset_device", Kind::kResetDevice},
                                         {"query", Kind::kQuery},
                                         {"serve", Kind::kServe},
                                         {"new_channel", Kind::kNewChannel},
                                         {"close_channel", Kind::kCloseChannel},
                                         {"half_close", Kind::kHalfClose},
                                         {"close", Kind::kClose},
                                         {"reconnect", Kind::kReconnect},
                                         {"stop_reading", Kind::kStopReading},
                                         {"second_frontend", Kind::kSecondFrontend}};

class VmmScriptReader {
 public:
  explicit VmmScriptReader(FieldReader* fields) : fields_(fields) {}

  // False, with the error kept by the fields' reader.
  bool Read(const YAML::Node& node, VmmScript& script) {
    std::vector<const VmmMisbehaviour*> misbehaviours;
    // The dialect first, wherever it stands: the other keys change it.
    if (node.IsMap() && node["dialect"]) ApplyDialect(ScalarText(node["dialect"]), script);
    const bool is_sound = fields_->ReadMap(
        node, {
                  {"dialect", "qemu, rust-vmm, crosvm or alioth",
                   [&](const auto& n) {
                     VmmScript ignored;
                     return ApplyDialect(ScalarText(n), ignored);
                   }},
                  {"protocol_features", "a mask of protocol features", Number(script.protocol_features)},
                  {"query", "true or false", Flag(script.asks_config)},
                  {"windows", "shmid: size", [&](const auto& n) { return ReadWindows(n, script.windows); }},
                  {"echo", "auto, table, slots or none", OneOf(script.echo, kEchos)},
                  {"vrings", "1 to 64", Number(script.vrings, kMaxVrings)},
                  {"ram", "a number of bytes like 64MiB", Number(script.ram_bytes)},
                  {"reply_timeout", kDurationText, Duration(script.reply_timeout)},
                  {"misbehave", "a name, or a list of names, that --help knows",
                   [&](const auto& n) { return ReadMisbehaviours(n, misbehaviours); }},
                  {"steps", "a list of steps",
                   [&](const auto& n) {
                     script.steps.clear();
                     return ReadSteps(n, script.steps);
                   }},
              });
    if (!is_sound) return false;
    for (const VmmMisbehaviour* misbehaviour : misbehaviours) misbehaviour->apply(script);
    return true;
  }

 private:
  static constexpr std::string_view kDurationText = "a duration like 100ms or 2s";
  static constexpr uint64_t kMaxVrings = 64;
  static constexpr Choice<MemoryEcho> kEchos[] = {{"auto", MemoryEcho::kAuto},
                                                  {"table", MemoryEcho::kTable},
                                                  {"slots", MemoryEcho::kSlots},
                                                  {"none", MemoryEcho::kNone}};

  static bool ReadWindows(const YAML::Node& node, Regions& windows) {
    windows.clear();
    if (!node.IsMap()) return false;
    for (const auto& entry : node) {
      const auto shmid = ParseBytes(ScalarText(entry.first));
      const auto size_bytes = ParseBytes(ScalarText(entry.second));
      if (!shmid || *shmid > 255 || !size_bytes) return false;
      windows[static_cast<uint8_t>(*shmid)] = *size_bytes;
    }
    return true;
  }

  bool ReadMisbehaviours(const YAML::Node& node, std::vector<const VmmMisbehaviour*>& found) {
    if (node.IsScalar()) {
      found.push_back(FindVmmMisbehaviour(node.Scalar()));
      return found.back() != nullptr;
    }
    for (const auto& name : node) {
      if (!name.IsScalar() || !ReadMisbehaviours(name, found)) return false;
    }
    return node.IsSequence();
  }

  bool ReadStep(const YAML::Node& node, VmmStep& step) {
    if (node.IsScalar()) return OneOf(step.kind, kSimpleSteps)(node);
    const auto of_kind = [&step](Kind kind, ValueReader read) {
      return [&step, kind, read = std::move(read)](const YAML::Node& n) {
        step.kind = kind;
        return read(n);
      };
    };
    const auto read_hex = [&](const YAML::Node& n) { return ReadHex(ScalarText(n), step.raw); };
    const auto read_times = [&](const YAML::Node& n) {
      step.times = ParseBytes(ScalarText(n));
      return step.times || ScalarText(n) == "forever";
    };
    const auto read_steps = [&](const YAML::Node& n) { return ReadSteps(n, step.steps); };
    return fields_->ReadMap(
        node, {{"wait", kDurationText, of_kind(Kind::kWait, Duration(step.wait))},
               {"mappings", "a number", of_kind(Kind::kMappings, Number(step.value))},
               {"set_status", "a number", of_kind(Kind::kSetStatus, Number(step.value))},
               {"raw", "pairs of hexadecimal digits", of_kind(Kind::kRaw, read_hex)},
               {"raw_answer", "pairs of hexadecimal digits", of_kind(Kind::kRawAnswer, read_hex)},
               {"repeat", "a list of steps", of_kind(Kind::kRepeat, read_steps)},
               {"times", "a number, or forever", read_times}});
  }

  bool ReadSteps(const YAML::Node& node, std::vector<VmmStep>& steps) {
    if (!node.IsSequence()) return false;
    for (const auto& item : node) {
      VmmStep step;
      if (!ReadStep(item, step)) return false;
      steps.push_back(std::move(step));
    }
    return true;
  }

  FieldReader* fields_;
};

}  // namespace

absl::StatusOr<VmmScript> ReadVmmScript(std::string_view text, std::string_view origin) {
  VmmScript script = DefaultVmmScript();
  FieldReader fields{std::string(origin)};
  try {
    VmmScriptReader(&fields).Read(YAML::Load(std::string(text)), script);
  } catch (const YAML::Exception& error) {
    fields.Fail(error.mark, error.msg);
  }
  if (!fields.status().ok()) return fields.status();
  if (script.vrings == 0)
    return absl::InvalidArgumentError(std::string(origin) + ": 'vrings' expects 1 to 64");
  return script;
}

absl::StatusOr<VmmScript> ReadVmmScriptFile(const std::string& path) {
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) return absl::NotFoundError(path + ": cannot be read");
  return ReadVmmScript(text, path);
}

std::string_view VmmScriptExample() {
  return R"(dialect: qemu                     # or rust-vmm, crosvm, alioth: features, order, answers
protocol_features: 0x6ffdff       # acknowledged as far as offered
query: true                       # false: never asks GET_SHMEM_CONFIG, and takes these for granted:
windows: {0: 64MiB}
echo: auto                        # or table, slots, none: how mappings show in the memory table
vrings: 2
ram: 16MiB
reply_timeout: 5s
misbehave: []                     # a name, or a list of them
steps:
  - start                         # the driver is ready
  - mappings: 6                   # until so many are live
  - stop                          # the VM stops: mappings stay
  - cont
  - reset                         # the guest resets: mappings go, without a message
  - start
  - wait: 2s
  - repeat: [{raw: 01000000 01000000 00000000}, {wait: 100ms}]
    times: 0                      # or forever
  - serve                         # until the peer leaves
)";
}

}  // namespace shmemd::peers
