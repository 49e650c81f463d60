// Any messages of two peers, in any order, through a session's tracker as a relay would show them: nothing
// crashes, what is kept stays bounded, promises hold. The input: a byte of options, then messages, each a
// byte of kind (channel, sender, descriptors, what happens instead of a message), a byte of id, a byte of
// flags, a byte of length and that many bytes of payload.
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <vector>

#include "server/session/session_tracker.h"
#include "tests/fuzz/fuzz.h"

namespace {

namespace base = shmemd::base;
namespace session = shmemd::session;
namespace state = shmemd::state;
namespace vhost = shmemd::vhost;
using session::Sender;
using session::Verdict;
using shmemd::fuzz::Require;

class Sink : public state::EventSink {
 public:
  void Publish(const state::EventBody& body) override {
    state::Event event;
    event.backend = backend_.handle();
    event.sequence = ++sequence_;
    event.wall_time_ns = static_cast<int64_t>(sequence_);
    event.body = body;
    backend_.Apply(event);
  }
  const state::Backend& table() const override { return backend_; }

 private:
  static state::BackendSpec Spec() {
    state::BackendSpec spec{.id = "fuzz", .backend_socket = "/x"};
    spec.mode = state::Mode::kRelay;
    return spec;
  }
  state::Backend backend_{state::BackendHandle{1}, Spec(), "uid", 1, 4096};
  uint64_t sequence_ = 0;
};

session::TrackerOptions Options(uint8_t bits) {
  session::TrackerOptions options;
  options.guard = static_cast<state::Guard>(bits % 3U);
  options.query = (bits & 4U) != 0 ? state::Query::kInject : state::Query::kSnoop;
  return options;
}

class Bench {
 public:
  explicit Bench(uint8_t bits) : options_(Options(bits)), tracker_(sink_, options_) {
    sink_.Publish(state::Connected{});
  }

  void Pass(uint8_t kind, uint8_t id, uint8_t flags, std::vector<uint8_t> payload) {
    now_ns_ += 1'000'000;
    if ((kind & 0xe0U) == 0xe0U) return Happen(id);
    session::PassingMessage message;
    message.channel = (kind & 1U) != 0 ? vhost::Channel::kBackend : vhost::Channel::kMain;
    message.sender = (kind & 2U) != 0 ? Sender::kBackend : Sender::kFrontend;
    message.fd_count = (kind >> 2U) & 3U;
    if ((kind & 0x10U) != 0) payload.resize(sizeof(vhost::ShmemConfigPayload));
    message.cut = (kind & 0xe0U) == 0xc0U && id % 16U == 0;
    // Ids above those of the specification stand for the old dialect.
    message.header = {id < 200 ? id : 800U + id, flags, static_cast<uint32_t>(payload.size())};
    if (!message.cut) message.payload = payload;
    message.now_ns = now_ns_;
    const Verdict verdict = tracker_.Judge(message);
    Require(tracker_.Judge(message) == verdict, "a verdict changes nothing");
    Check(message, verdict);
    std::array<base::FdFacts, 3> facts;
    for (size_t i = 0; i < facts.size(); ++i) {
      facts[i].device = 1;
      facts[i].inode = (payload.empty() ? 0U : payload[0] % 4U) + i;
      facts[i].size_bytes = 0x10000;
    }
    if (verdict != Verdict::kHold) tracker_.Passed(message, verdict, {facts.data(), message.fd_count});
    if (verdict == Verdict::kSwapBackendFd) tracker_.BackendChannelBegan();
    if (tracker_.MayAsk() && id % 2U == 0) {
      tracker_.Asked(now_ns_);
      Require(!tracker_.MayAsk(), "one question at a time");
      ++asked_;
    }
  }

  void CheckEnd() const {
    Require(swallowed_ <= asked_, "no answer is swallowed that was not asked for");
    Require(sink_.table().status().pending_requests <= 64, "what is pending is bounded");
    Require(sink_.table().findings().size() < 20'000, "findings are bounded");
  }

 private:
  void Check(const session::PassingMessage& message, Verdict verdict) {
    const bool to_frontend = message.sender == Sender::kBackend;
    const bool on_backend_channel = message.channel == vhost::Channel::kBackend;
    if (verdict == Verdict::kSwallow) {
      ++swallowed_;
      Require(!on_backend_channel && to_frontend && message.header.request == 44, "only our answer is kept");
      Require(swallowed_ <= asked_, "no answer is swallowed that was not asked for");
    }
    const bool guarded =
        verdict == Verdict::kDrop || verdict == Verdict::kRefuse || verdict == Verdict::kHold;
    if (guarded) {
      Require(options_.guard == state::Guard::kProtect, "only protect keeps messages away");
      Require(on_backend_channel && to_frontend, "only the back-end's own requests are kept away");
      Require(message.header.needs_reply() == (verdict != Verdict::kDrop), "who asks is answered");
    }
  }
  void Happen(uint8_t what) {
    switch (what % 8U) {
      case 0:
        return tracker_.BackendChannelBegan();
      case 1:
        return tracker_.BackendChannelEnded();
      case 2:
        return tracker_.BackendChannelOdd(what);
      case 3:
        return tracker_.WantConfig();
      case 4:
        now_ns_ = std::min(tracker_.NextDeadline(), now_ns_ + 10'000'000'000);
        return tracker_.OnDeadline(now_ns_);
      case 5:
        now_ns_ += 3'000'000'000;
        return tracker_.OnDeadline(now_ns_);
      case 6:
        return what > 240 ? tracker_.FrontendEnded() : void();
      default:
        return what > 240 ? tracker_.BackendEnded() : void();
    }
  }

  session::TrackerOptions options_;
  Sink sink_;
  session::SessionTracker tracker_;
  int64_t now_ns_ = 1'000'000'000;
  int asked_ = 0;
  int swallowed_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Bench bench(data[0]);
  ++data;
  --size;
  while (size >= 4) {
    const size_t bytes = std::min<size_t>(data[3], size - 4);
    bench.Pass(data[0], data[1], data[2], {data + 4, data + 4 + bytes});
    data += 4 + bytes;
    size -= 4 + bytes;
  }
  bench.CheckEnd();
  return 0;
}
