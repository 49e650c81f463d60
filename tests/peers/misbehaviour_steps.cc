#include "tests/peers/misbehaviour_steps.h"

#include <utility>

namespace shmemd::peers {
namespace {

constexpr auto kSeen = Misbehaviour::Seen::kBackendChannel;
constexpr uint64_t kPage = 4096;
// A part of region 0 that the default script leaves alone.
constexpr uint64_t kSpare = uint64_t{48} << 20;
constexpr uint64_t kBehindRegion0 = uint64_t{64} << 20;
constexpr Expectation kFails = {Expectation::Kind::kFail, 0};
// What front-ends disagree about.
constexpr Expectation kAnything = {Expectation::Kind::kAny, 0};

Step GoodMap(uint64_t len = 4 * kPage) { return Step::Map(0, kSpare, len); }
Step GoodUnmap(uint64_t len = 4 * kPage) { return Step::Unmap(0, kSpare, len); }

// A map in the spare part with one field made wrong.
template <typename Change>
Step OddMap(Change change, Expectation expect = kAnything) {
  Step step = Step::Map(0, kSpare, 4 * kPage, expect);
  change(step.request);
  return step;
}

Step StepOf(Step::Kind kind) {
  Step step;
  step.kind = kind;
  return step;
}

Step Truncate(uint64_t shm_offset, uint64_t size_bytes) {
  Step step = StepOf(Step::Kind::kTruncate);
  step.request.shm_offset = shm_offset;
  step.request.len = size_bytes;
  return step;
}

Step HalfOfAMap() {
  Step step = StepOf(Step::Kind::kRaw);
  Put<uint32_t>(step.raw, kShmemMap);
  Put<uint32_t>(step.raw, kVersion | kNeedReplyFlag);
  Put<uint32_t>(step.raw, 40);
  Put<uint64_t>(step.raw, 0);
  return step;
}

std::vector<Step> PipelinedMaps() {
  constexpr uint64_t kMaps = 64;
  std::vector<Step> steps;
  for (uint64_t i = 0; i < 2 * kMaps; ++i) {
    const uint64_t shm_offset = kSpare + (i % kMaps) * kPage;
    steps.push_back(i < kMaps ? Step::Map(0, shm_offset, kPage) : Step::Unmap(0, shm_offset, kPage));
    steps.back().request.wait_for_ack = i == 2 * kMaps - 1;
  }
  return steps;
}

const std::vector<Misbehaviour>& WrongRanges() {
  static const std::vector<Misbehaviour> kWrong = {
      {"overlap", kSeen, "maps over half of a mapping",
       [](Script& s) {
         InsertSteps(s, {GoodMap(), Step::Map(0, kSpare + 2 * kPage, 4 * kPage, kFails), GoodUnmap()});
       }},
      {"out-of-range", kSeen, "maps across the end of region 0, and far behind it",
       [](Script& s) {
         InsertSteps(s, {Step::Map(0, kBehindRegion0 - kPage, 2 * kPage, kFails),
                         Step::Map(0, kBehindRegion0 * 2, kPage, kFails)});
       }},
      {"unaligned", kSeen, "shm_offset is no page multiple",
       [](Script& s) { InsertSteps(s, {OddMap([](ShmemRequest& r) { r.shm_offset += 0x800; })}); }},
      {"unaligned-len", kSeen, "len 0x3800, then a map at its very end",
       [](Script& s) {
         InsertSteps(s, {GoodMap(0x3800), Step::Map(0, kSpare + 0x3800, kPage, kAnything),
                         Step::Unmap(0, kSpare, 0x3800)});
       }},
      {"fd-offset-unaligned", kSeen, "fd_offset is no page multiple",
       [](Script& s) { InsertSteps(s, {OddMap([](ShmemRequest& r) { r.fd_offset = 0x800; }, kFails)}); }},
      {"unknown-shmid", kSeen, "maps into shmid 1, which is not there, and 200",
       [](Script& s) {
         InsertSteps(s, {Step::Map(1, 0, kPage, kFails), Step::Map(200, 0, kPage, kFails)});
       }},
      {"wrapping", kSeen, "shm_offset + len is above 2^64",
       [](Script& s) {
         InsertSteps(s, {OddMap([](ShmemRequest& r) { r.shm_offset = ~0ULL - 0xfff; }, kFails)});
       }},
      {"fd-offset-wrapping", kSeen, "fd_offset + len is above 2^64",
       [](Script& s) {
         InsertSteps(s, {OddMap([](ShmemRequest& r) { r.fd_offset = ~0ULL - 0xfff; }, kFails)});
       }},
      {"len-zero", kSeen, "maps 0 bytes",
       [](Script& s) { InsertSteps(s, {OddMap([](ShmemRequest& r) { r.len = 0; }, kFails)}); }},
      {"len-max", kSeen, "maps and unmaps 2^64 - 1 bytes",
       [](Script& s) {
         InsertSteps(s, {Step::Map(0, 0, ~0ULL, kFails), Step::Unmap(0, 0, ~0ULL, kFails)});
       }},
      {"unmap-partial", kSeen, "unmaps half of a mapping",
       [](Script& s) {
         InsertSteps(s, {GoodMap(), Step::Unmap(0, kSpare, 2 * kPage, kFails), GoodUnmap()});
       }},
      {"unmap-not-mapped", kSeen, "unmaps where nothing is mapped",
       [](Script& s) { InsertSteps(s, {Step::Unmap(0, kSpare, kPage, kFails)}); }},
      {"unmap-twice", kSeen, "unmaps a mapping a second time",
       [](Script& s) {
         InsertSteps(s, {GoodMap(), GoodUnmap(), Step::Unmap(0, kSpare, 4 * kPage, kFails)});
       }},
  };
  return kWrong;
}

const std::vector<Misbehaviour>& WrongFiles() {
  static const std::vector<Misbehaviour> kWrong = {
      {"two-fds", kSeen, "a map with two fds",
       [](Script& s) { InsertSteps(s, {OddMap([](ShmemRequest& r) { r.fd_count = 2; })}); }},
      {"many-fds", kSeen, "a map with 40 fds",
       [](Script& s) { InsertSteps(s, {OddMap([](ShmemRequest& r) { r.fd_count = 40; })}); }},
      {"no-fd", kSeen, "a map without an fd",
       [](Script& s) { InsertSteps(s, {OddMap([](ShmemRequest& r) { r.fd_count = 0; }, kFails)}); }},
      {"unmap-with-fd", kSeen, "an unmap that carries an fd",
       [](Script& s) {
         Step unmap = GoodUnmap();
         unmap.request.fd_count = 1;
         unmap.request.expect = kAnything;
         InsertSteps(s, {GoodMap(), unmap});
       }},
      {"beyond-eof", kSeen, "the file is one page long, the map four",
       [](Script& s) { InsertSteps(s, {OddMap([](ShmemRequest& r) { r.file_size_bytes = kPage; })}); }},
      {"empty-file", kSeen, "the file is empty",
       [](Script& s) { InsertSteps(s, {OddMap([](ShmemRequest& r) { r.file_size_bytes = 0; })}); }},
      {"read-only-fd", kSeen, "maps an O_RDONLY fd read-only, then read-write",
       [](Script& s) {
         Step read_only = OddMap([](ShmemRequest& r) { r.backing = BackingKind::kReadOnlyMemfd; });
         Step read_write = read_only;
         read_only.request.flags = 0;
         read_write.request.shm_offset += 8 * kPage;
         read_write.request.expect = kFails;
         InsertSteps(s, {read_only, read_write});
       }},
      {"pipe-fd", kSeen, "maps the read end of a pipe",
       [](Script& s) {
         InsertSteps(s, {OddMap([](ShmemRequest& r) { r.backing = BackingKind::kPipe; }, kFails)});
       }},
      {"truncate-later", kSeen, "cuts the file behind a live mapping to nothing",
       [](Script& s) {
         InsertSteps(s, {GoodMap(), Truncate(kSpare, 0)});
       }},
  };
  return kWrong;
}

const std::vector<Misbehaviour>& WrongMessages() {
  static const std::vector<Misbehaviour> kWrong = {
      {"unknown-flags", kSeen, "a map with flag bits that mean nothing",
       [](Script& s) { InsertSteps(s, {OddMap([](ShmemRequest& r) { r.flags = 0xf1; })}); }},
      {"map-padding", kSeen, "a map whose padding is not 0",
       [](Script& s) {
         InsertSteps(s, {OddMap([](ShmemRequest& r) { r.padding = 0xee; }, Expectation()), GoodUnmap()});
       }},
      {"map-without-ack", kSeen, "a map and its unmap that ask for no answer",
       [](Script& s) {
         Step map = GoodMap();
         Step unmap = GoodUnmap();
         map.request.need_reply = unmap.request.need_reply = false;
         InsertSteps(s, {map, unmap});
       }},
      {"short-map", kSeen, "a map with a payload of 32 bytes",
       [](Script& s) { InsertSteps(s, {OddMap([](ShmemRequest& r) { r.payload_bytes = 32; })}); }},
      {"long-map", kSeen, "a map with a payload of 48 bytes",
       [](Script& s) { InsertSteps(s, {OddMap([](ShmemRequest& r) { r.payload_bytes = 48; })}); }},
      {"reserved-flags", kSeen, "a map with header flag bit 4 set",
       [](Script& s) { InsertSteps(s, {OddMap([](ShmemRequest& r) { r.header_flags = 0x10; })}); }},
      {"unknown-request", kSeen, "request 11, which was proposed and dropped",
       [](Script& s) { InsertSteps(s, {OddMap([](ShmemRequest& r) { r.request_id = 11; }, kFails)}); }},
      {"older-map", kSeen, "request 1000, the map of crosvm before the standard",
       [](Script& s) {
         InsertSteps(s, {OddMap([](ShmemRequest& r) {
                       r.request_id = 1000;
                       r.payload_bytes = 32;
                     })});
       }},
      {"pipelined", kSeen, "allowed: 64 maps and their unmaps before the first answer is read",
       [](Script& s) { InsertSteps(s, PipelinedMaps()); }},
      {"torn-map", kSeen, "allowed: a map and its unmap in pieces of 5 bytes",
       [](Script& s) {
         Step map = GoodMap();
         Step unmap = GoodUnmap();
         map.request.piece_bytes = unmap.request.piece_bytes = 5;
         InsertSteps(s, {map, unmap});
       }},
      {"huge-map-size", kSeen, "a map whose header says 0xffffffff bytes, then the channel closes",
       [](Script& s) {
         InsertSteps(s, {OddMap([](ShmemRequest& r) { r.header_size = 0xffffffff; }),
                         StepOf(Step::Kind::kCloseChannel)});
       }},
      {"half-map", kSeen, "the channel closes in the middle of a map",
       [](Script& s) {
         InsertSteps(s, {HalfOfAMap(), StepOf(Step::Kind::kCloseChannel)});
       }},
      {"close-channel", kSeen, "the back-end channel closes, the main channel stays",
       [](Script& s) { InsertSteps(s, {StepOf(Step::Kind::kCloseChannel)}); }},
      {"disconnect", kSeen, "the connection ends once the mappings are there, each time",
       [](Script& s) { InsertSteps(s, {StepOf(Step::Kind::kDisconnect)}); }},
  };
  return kWrong;
}

}  // namespace

const std::vector<Misbehaviour>& RequestMisbehaviours() {
  static const std::vector<Misbehaviour> kAll = [] {
    std::vector<Misbehaviour> all;
    for (const auto* part : {&WrongRanges(), &WrongFiles(), &WrongMessages()}) {
      all.insert(all.end(), part->begin(), part->end());
    }
    return all;
  }();
  return kAll;
}

}  // namespace shmemd::peers
