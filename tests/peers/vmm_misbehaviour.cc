#include "tests/peers/vmm_misbehaviour.h"

#include <algorithm>

namespace shmemd::peers {
namespace {

using Kind = VmmStep::Kind;

// In front of the last step, which mostly is to serve.
void InsertBeforeLast(VmmScript& script, const std::vector<VmmStep>& steps) {
  const auto place = script.steps.empty() ? script.steps.end() : script.steps.end() - 1;
  script.steps.insert(place, steps.begin(), steps.end());
}

VmmStep RawOnMain(Bytes bytes) {
  VmmStep step = VmmStep::Of(Kind::kRaw);
  step.raw = std::move(bytes);
  return step;
}

Bytes HalfOfAMemoryTable() {
  Bytes bytes = EncodeMessage(kSetMemTable, kVersion | kNeedReplyFlag, Bytes(40));
  bytes.resize(bytes.size() / 2);
  return bytes;
}

}  // namespace

const std::vector<VmmMisbehaviour>& AllVmmMisbehaviours() {
  static const std::vector<VmmMisbehaviour> kAll = {
      {"wrong-id", "answers maps and unmaps with another id", [](VmmScript& s) { s.answers.id_offset = 1; }},
      {"two-answers", "answers each request twice", [](VmmScript& s) { s.answers.copies = 2; }},
      {"no-answer", "never answers a request", [](VmmScript& s) { s.answers.copies = 0; }},
      {"out-of-order", "answers the second request before the first",
       [](VmmScript& s) { s.answers.is_reversed = true; }},
      {"answer-with-fd", "its answers carry a descriptor", [](VmmScript& s) { s.answers.fd_count = 1; }},
      {"torn-answers", "its answers come byte by byte", [](VmmScript& s) { s.answers.piece_bytes = 1; }},
      {"slow-answers", "answers after half a second",
       [](VmmScript& s) { s.answers.delay = std::chrono::milliseconds(500); }},
      {"garbage-answers", "64 bytes of 0xa5 instead of an answer",
       [](VmmScript& s) { s.answers.is_garbage = true; }},
      {"close-mid-answer", "closes the back-end channel in the middle of an answer",
       [](VmmScript& s) { s.answers.is_cut = true; }},
      {"always-answers", "answers those who did not ask, too", [](VmmScript& s) { s.answers.always = true; }},
      {"no-query", "never asks GET_SHMEM_CONFIG, and takes 64 MiB regions 0, 2 and 5 for granted",
       [](VmmScript& s) {
         s.asks_config = false;
         for (const uint8_t shmid : {0, 2, 5}) s.windows[shmid] = uint64_t{64} << 20;
       }},
      {"never-reads", "reads neither channel once its device runs",
       [](VmmScript& s) { InsertBeforeLast(s, {VmmStep::Of(Kind::kStopReading)}); }},
      {"garbage", "64 bytes of 0xa5 on the main channel",
       [](VmmScript& s) { InsertBeforeLast(s, {RawOnMain(Bytes(64, 0xa5))}); }},
      {"close-mid-message", "closes in the middle of a SET_MEM_TABLE",
       [](VmmScript& s) {
         InsertBeforeLast(s, {RawOnMain(HalfOfAMemoryTable()), VmmStep::Of(Kind::kClose)});
       }},
      {"half-close", "sends nothing more on the main channel once its device runs, but reads on",
       [](VmmScript& s) { InsertBeforeLast(s, {VmmStep::Of(Kind::kHalfClose)}); }},
      {"second-frontend", "opens a second connection once its device runs",
       [](VmmScript& s) { InsertBeforeLast(s, {VmmStep::Of(Kind::kSecondFrontend)}); }},
  };
  return kAll;
}

const VmmMisbehaviour* FindVmmMisbehaviour(std::string_view name) {
  const auto& all = AllVmmMisbehaviours();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const auto& misbehaviour) { return misbehaviour.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace shmemd::peers
