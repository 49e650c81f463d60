#include "tests/peers/script_reader.h"

#include <yaml-cpp/yaml.h>

#include <fstream>
#include <iterator>

#include "absl/status/status.h"
#include "tests/peers/misbehaviour.h"
#include "tests/peers/yaml_fields.h"

namespace shmemd::peers {
namespace {

class ScriptReader {
 public:
  explicit ScriptReader(FieldReader* fields) : fields_(fields) {}

  // False, with the error kept by the fields' reader.
  bool Read(const YAML::Node& node, Script& script) {
    bool has_regions = false;
    bool has_steps = false;
    std::vector<const Misbehaviour*> misbehaviours;
    const bool is_sound = fields_->ReadMap(
        node, {
                  {"regions", "shmid: size or a list of sizes",
                   [&](const auto& n) { return has_regions = ReadRegions(n, script.regions); }},
                  {"features", "a map", [&](const auto& n) { return ReadFeatures(n, script.features); }},
                  {"config_reply", "a map", [&](const auto& n) { return ReadReply(n, script.config_reply); }},
                  {"backing", kBackingNames, [&](const auto& n) { return ReadBacking(n, script.backing); }},
                  {"start", "auto, config, channel or vring_enable", OneOf(script.start, kStarts)},
                  {"ack_timeout", kDurationText, Duration(script.ack_timeout)},
                  {"silent", "true or false", Flag(script.is_silent)},
                  {"misbehave", "a name, or a list of names, that --help knows",
                   [&](const auto& n) { return ReadMisbehaviours(n, misbehaviours); }},
                  {"steps", "a list of steps",
                   [&](const auto& n) {
                     script.steps.clear();
                     return has_steps = ReadSteps(n, script.steps);
                   }},
              });
    if (!is_sound) return false;
    if (has_regions && !has_steps) script.steps.clear();
    for (const Misbehaviour* misbehaviour : misbehaviours) misbehaviour->apply(script);
    return true;
  }

 private:
  static constexpr std::string_view kBackingNames = "memfd, sealed-memfd, file, read-only-memfd or pipe";
  static constexpr std::string_view kDurationText = "a duration like 100ms or 2s";
  static constexpr std::string_view kBytesText = "a number of bytes like 0x1000 or 64MiB";
  static constexpr Choice<Script::Start> kStarts[] = {{"auto", Script::Start::kAuto},
                                                      {"config", Script::Start::kConfig},
                                                      {"channel", Script::Start::kChannel},
                                                      {"vring_enable", Script::Start::kVringEnable}};
  static constexpr Choice<ConfigReply::Form> kForms[] = {
      {"full", ConfigReply::Form::kFull},
      {"truncated", ConfigReply::Form::kTruncated},
      {"span", ConfigReply::Form::kSpan},
      {"truncated-span", ConfigReply::Form::kTruncatedSpan}};
  static constexpr Choice<ConfigReply::Answer> kAnswers[] = {
      {"reply", ConfigReply::Answer::kReply},
      {"nothing", ConfigReply::Answer::kNothing},
      {"close", ConfigReply::Answer::kClose},
      {"half-then-close", ConfigReply::Answer::kHalfThenClose},
      {"garbage", ConfigReply::Answer::kGarbage}};
  static constexpr Choice<uint64_t> kAccesses[] = {{"ro", 0}, {"rw", 1}};
  static constexpr Choice<Step::Kind> kCloses[] = {{"channel", Step::Kind::kCloseChannel},
                                                   {"main", Step::Kind::kDisconnect}};

  static bool ReadBacking(const YAML::Node& node, BackingKind& backing) {
    const auto kind = BackingKindFromName(ScalarText(node));
    if (kind) backing = *kind;
    return kind.has_value();
  }

  static bool ReadRegions(const YAML::Node& node, Regions& regions) {
    regions.clear();
    if (node.IsSequence()) {
      for (size_t i = 0; i < node.size(); ++i) {
        const auto size_bytes = ParseBytes(ScalarText(node[i]));
        if (!size_bytes || i > 255) return false;
        if (*size_bytes != 0) regions[static_cast<uint8_t>(i)] = *size_bytes;
      }
      return true;
    }
    if (!node.IsMap()) return false;
    for (const auto& entry : node) {
      const auto shmid = ParseBytes(ScalarText(entry.first));
      const auto size_bytes = ParseBytes(ScalarText(entry.second));
      if (!shmid || *shmid > 255 || !size_bytes) return false;
      regions[static_cast<uint8_t>(*shmid)] = *size_bytes;
    }
    return true;
  }

  bool ReadFeatures(const YAML::Node& node, Features& features) {
    const auto read_bit = [&](const YAML::Node& n) {
      features.shmem_bit.reset();
      const auto bit = ParseBytes(ScalarText(n));
      if (bit && *bit < 64) features.shmem_bit = static_cast<int>(*bit);
      return features.shmem_bit || ScalarText(n) == "none";
    };
    return fields_->ReadMap(
        node, {{"shmem_bit", "0 to 63, or none", read_bit},
               {"reply_ack", "true or false", Flag(features.reply_ack)},
               {"backend_req", "true or false", Flag(features.backend_req)},
               {"send_fd", "true or false", Flag(features.send_fd)},
               {"protocol_features", "true or false", Flag(features.protocol_features)},
               {"more", "a mask of protocol features", Number(features.more_protocol_features)}});
  }

  bool ReadReply(const YAML::Node& node, ConfigReply& reply) {
    const auto read_second = [&](const YAML::Node& n) {
      reply.second_answer.emplace();
      return ReadRegions(n, *reply.second_answer);
    };
    return fields_->ReadMap(
        node, {{"form", "full, truncated, span or truncated-span", OneOf(reply.form, kForms)},
               {"answer", "reply, nothing, close, half-then-close or garbage", OneOf(reply.answer, kAnswers)},
               {"num_regions", "a number", Number(reply.num_regions)},
               {"padding", "a number", Number(reply.padding)},
               {"id", "a number", Number(reply.request_id)},
               {"flags", "a number", Number(reply.flags)},
               {"header_size", "a number", Number(reply.header_size)},
               {"payload_bytes", "at most 64KiB", Number(reply.payload_bytes, kMaxPayload)},
               {"fds", "at most 64", Number(reply.fd_count, kMaxFdsPerMessage)},
               {"piece_bytes", kBytesText, Number(reply.piece_bytes)},
               {"delay", kDurationText, Duration(reply.delay)},
               {"second_answer", "regions", read_second}});
  }

  bool ReadMisbehaviours(const YAML::Node& node, std::vector<const Misbehaviour*>& found) {
    if (node.IsScalar()) {
      found.push_back(FindMisbehaviour(node.Scalar()));
      return found.back() != nullptr;
    }
    for (const auto& name : node) {
      if (!name.IsScalar() || !ReadMisbehaviours(name, found)) return false;
    }
    return node.IsSequence();
  }

  static bool ReadExpectation(const YAML::Node& node, Expectation& expect) {
    using Kind = Expectation::Kind;
    constexpr Choice<Kind> kKinds[] = {{"ok", Kind::kOk}, {"fail", Kind::kFail}, {"any", Kind::kAny}};
    if (OneOf(expect.kind, kKinds)(node)) return true;
    const auto error = ParseErrno(ScalarText(node));
    if (error) expect = {Kind::kErrno, *error};
    return error.has_value();
  }

  bool ReadRequest(const YAML::Node& node, ShmemRequest& request) {
    const auto read_backing = [&](const YAML::Node& n) {
      return ReadBacking(n, request.backing.emplace(BackingKind::kMemfd));
    };
    return fields_->ReadMap(node,
                            {{"shmid", "0 to 255", Number(request.shmid)},
                             {"shm_offset", kBytesText, Number(request.shm_offset)},
                             {"len", kBytesText, Number(request.len)},
                             {"fd_offset", kBytesText, Number(request.fd_offset)},
                             {"access", "rw or ro", OneOf(request.flags, kAccesses)},
                             {"flags", "a number", Number(request.flags)},
                             {"backing", kBackingNames, read_backing},
                             {"file_size", kBytesText, Number(request.file_size_bytes)},
                             {"file", "a name", Text(request.file)},
                             {"fds", "at most 64", Number(request.fd_count, kMaxFdsPerMessage)},
                             {"header_flags", "a number", Number(request.header_flags)},
                             {"header_size", "a number", Number(request.header_size)},
                             {"payload_bytes", "at most 64KiB", Number(request.payload_bytes, kMaxPayload)},
                             {"request", "a number", Number(request.request_id)},
                             {"padding", "0 to 255", Number(request.padding)},
                             {"piece_bytes", kBytesText, Number(request.piece_bytes)},
                             {"wait_for_ack", "true or false", Flag(request.wait_for_ack)},
                             {"need_reply", "true or false", Flag(request.need_reply)},
                             {"expect", "ok, fail, any or an errno like EINVAL",
                              [&](const auto& n) { return ReadExpectation(n, request.expect); }}});
  }

  bool ReadTruncate(const YAML::Node& node, Step& step) {
    step.kind = Step::Kind::kTruncate;
    return fields_->ReadMap(node, {{"shmid", "0 to 255", Number(step.request.shmid)},
                                   {"shm_offset", kBytesText, Number(step.request.shm_offset)},
                                   {"size", kBytesText, Number(step.request.len)}});
  }

  static bool ReadTimes(const YAML::Node& node, Step& step) {
    step.times = ParseBytes(ScalarText(node));
    return step.times || ScalarText(node) == "forever";
  }

  bool ReadStep(const YAML::Node& node, Step& step) {
    const auto read_request = [&](const Step& empty) {
      return [this, &step, empty](const YAML::Node& n) {
        step = empty;
        return ReadRequest(n, step.request);
      };
    };
    const auto read_repeat = [&](const YAML::Node& n) {
      step.kind = Step::Kind::kRepeat;
      return ReadSteps(n, step.steps);
    };
    const auto read_raw = [&](const YAML::Node& n) {
      step.kind = Step::Kind::kRaw;
      return ReadHex(ScalarText(n), step.raw);
    };
    return fields_->ReadMap(
        node,
        {{"map", "a map of its fields", read_request(Step::Map(0, 0, 0))},
         {"unmap", "a map of its fields", read_request(Step::Unmap(0, 0, 0))},
         {"wait", kDurationText, Duration(step.wait)},
         {"repeat", "a list of steps", read_repeat},
         {"times", "a number, or forever", [&](const auto& n) { return ReadTimes(n, step); }},
         {"truncate", "shmid, shm_offset and size", [&](const auto& n) { return ReadTruncate(n, step); }},
         {"raw", "pairs of hexadecimal digits", read_raw},
         {"close", "channel or main", OneOf(step.kind, kCloses)}});
  }

  bool ReadSteps(const YAML::Node& node, std::vector<Step>& steps) {
    if (!node.IsSequence()) return false;
    for (const auto& item : node) {
      Step step;
      if (!ReadStep(item, step)) return false;
      steps.push_back(std::move(step));
    }
    return true;
  }

  static constexpr uint64_t kMaxPayload = 65536;
  FieldReader* fields_;
};

}  // namespace

absl::StatusOr<Script> ReadScript(std::string_view text, std::string_view origin) {
  Script script = DefaultScript();
  FieldReader fields{std::string(origin)};
  try {
    ScriptReader(&fields).Read(YAML::Load(std::string(text)), script);
  } catch (const YAML::Exception& error) {
    fields.Fail(error.mark, error.msg);
  }
  if (!fields.status().ok()) return fields.status();
  return script;
}

absl::StatusOr<Script> ReadScriptFile(const std::string& path) {
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) return absl::NotFoundError(path + ": cannot be read");
  return ReadScript(text, path);
}

std::string_view ScriptExample() {
  return R"(regions: {0: 64MiB, 2: 16MiB, 5: 4MiB}   # by shmid, or a list of sizes
features: {shmem_bit: 22, reply_ack: true, backend_req: true, send_fd: true, protocol_features: true}
config_reply: {form: full}        # or truncated, span; num_regions, flags, delay: 1s, ...
backing: memfd                    # or sealed-memfd, file, read-only-memfd, pipe
start: auto                       # or config, channel, vring_enable: when the steps begin
ack_timeout: 5s
misbehave: padding                # a name, or a list of them
steps:
  - map: {shmid: 0, shm_offset: 0, len: 64KiB, access: rw}
  - map: {shmid: 2, shm_offset: 1MiB, len: 64KiB, access: ro, backing: file, file_size: 1MiB}
  - map: {shmid: 0, shm_offset: 32KiB, len: 64KiB, expect: fail}     # or ok, any, EEXIST
  - unmap: {shmid: 2, shm_offset: 1MiB, len: 64KiB}
  - repeat:
      - map: {shmid: 5, shm_offset: 0, len: 1MiB, file: frames, fd_offset: 1MiB}
      - wait: 100ms
      - unmap: {shmid: 5, shm_offset: 0, len: 1MiB}
      - wait: 100ms
    times: forever                # or a number
)";
}

}  // namespace shmemd::peers
