#include "tests/peers/misbehaviour.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "tests/peers/misbehaviour_steps.h"

namespace shmemd::peers {
namespace {

using Seen = Misbehaviour::Seen;
using Answer = ConfigReply::Answer;
using Form = ConfigReply::Form;

constexpr uint8_t kOddShmid = 7;

uint32_t Count(const Script& script) { return static_cast<uint32_t>(script.regions.size()); }

const std::vector<Misbehaviour>& Offers() {
  static const std::vector<Misbehaviour> kOffers = {
      {"no-shmem", Seen::kOffer, "SHMEM is not offered",
       [](Script& s) { s.features.shmem_bit = std::nullopt; }},
      {"no-protocol-features", Seen::kOffer, "bit 30 is not offered, so there is no protocol feature at all",
       [](Script& s) { s.features.protocol_features = false; }},
      {"no-reply-ack", Seen::kOffer, "REPLY_ACK is not offered: maps ask for no answer",
       [](Script& s) { s.features.reply_ack = false; }},
      {"no-backend-req", Seen::kOffer, "BACKEND_REQ is not offered: there is no back-end channel",
       [](Script& s) { s.features.backend_req = false; }},
      {"no-send-fd", Seen::kOffer, "BACKEND_SEND_FD is not offered, maps come with fds all the same",
       [](Script& s) { s.features.send_fd = false; }},
      {"older-bit-20", Seen::kOffer, "offers SHMEM as bit 20 (QEMU series up to v12)",
       [](Script& s) { s.features.shmem_bit = 20; }},
      {"older-bit-21", Seen::kOffer, "offers SHMEM as bit 21 (vhost 0.16)",
       [](Script& s) { s.features.shmem_bit = 21; }},
      {"older-bit-31", Seen::kOffer, "offers SHMEM as bit 31 (crosvm before the standard)",
       [](Script& s) { s.features.shmem_bit = 31; }},
      {"silent", Seen::kOffer, "reads everything, answers nothing", [](Script& s) { s.is_silent = true; }},
  };
  return kOffers;
}

const std::vector<Misbehaviour>& ReplyForms() {
  static const std::vector<Misbehaviour> kForms = {
      {"truncated-reply", Seen::kConfigReply,
       "8 + 8k bytes that end at the highest shmid; num_regions counts",
       [](Script& s) { s.config_reply.form = Form::kTruncated; }},
      {"truncated-span", Seen::kConfigReply, "8 + 8k bytes, num_regions is the highest shmid + 1",
       [](Script& s) { s.config_reply.form = Form::kTruncatedSpan; }},
      {"span", Seen::kConfigReply, "num_regions is the highest shmid + 1",
       [](Script& s) { s.config_reply.form = Form::kSpan; }},
      {"count-too-small", Seen::kConfigReply, "num_regions is one less than there are regions",
       [](Script& s) { s.config_reply.num_regions = Count(s) - 1; }},
      {"count-zero", Seen::kConfigReply, "num_regions is 0 beside sizes that are not",
       [](Script& s) { s.config_reply.num_regions = 0; }},
      {"count-too-large", Seen::kConfigReply, "num_regions is 256",
       [](Script& s) { s.config_reply.num_regions = 256; }},
      {"count-300", Seen::kConfigReply, "num_regions is 300, above what there can be",
       [](Script& s) { s.config_reply.num_regions = 300; }},
      {"padding", Seen::kConfigReply, "the padding is 0xdeadbeef",
       [](Script& s) { s.config_reply.padding = 0xdeadbeef; }},
      {"no-regions", Seen::kConfigReply, "all sizes are 0", [](Script& s) { s.regions.clear(); }},
      {"region-255", Seen::kConfigReply, "one more region, with the highest shmid",
       [](Script& s) { s.regions[255] = uint64_t{1} << 20; }},
      {"unaligned-size", Seen::kConfigReply, "one more region, of 0x1800 bytes",
       [](Script& s) { s.regions[kOddShmid] = 0x1800; }},
      {"tiny-region", Seen::kConfigReply, "one more region, of 512 bytes",
       [](Script& s) { s.regions[kOddShmid] = 512; }},
      {"huge-region", Seen::kConfigReply, "one more region, of 2^63 bytes",
       [](Script& s) { s.regions[kOddShmid] = uint64_t{1} << 63; }},
      {"sum-wraps", Seen::kConfigReply, "two more regions whose sum is 2^64 bytes",
       [](Script& s) { s.regions[kOddShmid] = s.regions[kOddShmid + 1] = uint64_t{1} << 63; }},
      {"changed-second-answer", Seen::kConfigReply, "a second answer on the connection tells other sizes",
       [](Script& s) {
         s.config_reply.second_answer = s.regions;
         s.config_reply.second_answer->begin()->second *= 2;
       }},
      {"torn-reply", Seen::kConfigReply, "allowed: the answer comes in pieces of 64 bytes",
       [](Script& s) { s.config_reply.piece_bytes = 64; }},
      {"slow-reply", Seen::kConfigReply, "allowed: the answer takes 500 ms",
       [](Script& s) { s.config_reply.delay = std::chrono::milliseconds(500); }},
  };
  return kForms;
}

const std::vector<Misbehaviour>& BrokenReplies() {
  static const std::vector<Misbehaviour> kBroken = {
      {"wrong-id", Seen::kConfigReply, "the reply has id 43",
       [](Script& s) { s.config_reply.request_id = 43; }},
      {"wrong-flags", Seen::kConfigReply, "the reply has flags 0x1: it is no reply",
       [](Script& s) { s.config_reply.flags = kVersion; }},
      {"need-reply-flags", Seen::kConfigReply, "the reply has flags 0xd: it asks for an answer itself",
       [](Script& s) { s.config_reply.flags = kReplyFlags | kNeedReplyFlag; }},
      {"huge-size", Seen::kConfigReply, "the reply's header says 0xffffffff bytes",
       [](Script& s) { s.config_reply.header_size = 0xffffffff; }},
      {"oversize", Seen::kConfigReply, "a payload of 2064 bytes",
       [](Script& s) { s.config_reply.payload_bytes = 2064; }},
      {"payload-2057", Seen::kConfigReply, "a payload of 2057 bytes",
       [](Script& s) { s.config_reply.payload_bytes = 2057; }},
      {"payload-2055", Seen::kConfigReply, "a payload of 2055 bytes",
       [](Script& s) { s.config_reply.payload_bytes = 2055; }},
      {"payload-4", Seen::kConfigReply, "a payload of 4 bytes",
       [](Script& s) { s.config_reply.payload_bytes = 4; }},
      {"empty-reply", Seen::kConfigReply, "a reply without a payload",
       [](Script& s) { s.config_reply.payload_bytes = 0; }},
      {"short-of-size", Seen::kConfigReply, "the header says 2056 bytes, half of them come",
       [](Script& s) {
         s.config_reply.header_size = 2056;
         s.config_reply.payload_bytes = 1024;
       }},
      {"reply-with-fd", Seen::kConfigReply, "the reply carries a descriptor",
       [](Script& s) { s.config_reply.fd_count = 1; }},
      {"no-reply", Seen::kConfigReply, "GET_SHMEM_CONFIG is never answered",
       [](Script& s) { s.config_reply.answer = Answer::kNothing; }},
      {"close-on-query", Seen::kConfigReply, "GET_SHMEM_CONFIG ends the connection",
       [](Script& s) { s.config_reply.answer = Answer::kClose; }},
      {"close-mid-message", Seen::kConfigReply, "the connection ends in the middle of the reply",
       [](Script& s) { s.config_reply.answer = Answer::kHalfThenClose; }},
      {"garbage", Seen::kConfigReply, "64 bytes of 0xa5 instead of a reply",
       [](Script& s) { s.config_reply.answer = Answer::kGarbage; }},
  };
  return kBroken;
}

}  // namespace

void InsertSteps(Script& script, const std::vector<Step>& steps) {
  const auto is_endless = [](const Step& step) { return step.kind == Step::Kind::kRepeat && !step.times; };
  const auto place = std::find_if(script.steps.begin(), script.steps.end(), is_endless);
  script.steps.insert(place, steps.begin(), steps.end());
}

const std::vector<Misbehaviour>& AllMisbehaviours() {
  static const std::vector<Misbehaviour> kAll = [] {
    std::vector<Misbehaviour> all;
    for (const auto* part : {&Offers(), &ReplyForms(), &BrokenReplies(), &RequestMisbehaviours()}) {
      all.insert(all.end(), part->begin(), part->end());
    }
    return all;
  }();
  return kAll;
}

const Misbehaviour* FindMisbehaviour(std::string_view name) {
  for (const Misbehaviour& misbehaviour : AllMisbehaviours()) {
    if (misbehaviour.name == name) return &misbehaviour;
  }
  return nullptr;
}

Script MisbehavingScript(std::string_view name) {
  const Misbehaviour* misbehaviour = FindMisbehaviour(name);
  if (misbehaviour == nullptr) std::abort();
  Script script = DefaultScript();
  misbehaviour->apply(script);
  return script;
}

}  // namespace shmemd::peers
