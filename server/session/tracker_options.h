// What a relay session tells its tracker once, and where the tracker's parts write to.
#pragma once

#include <cstdint>
#include <optional>

#include "server/state/backend_spec.h"
#include "server/state/event_sink.h"
#include "server/vhost/codec.h"

namespace shmemd::session {

struct TrackerOptions {
  state::Guard guard = state::Guard::kWarn;
  state::Query query = state::Query::kSnoop;
  uint64_t page_size = 4096;                 // the host's, bytes
  int64_t query_timeout_ns = 5'000'000'000;  // for our own question
  // Of one back-end; nobody else bounds them: a back-end may map byte by byte and ask for no answer. About 60
  // MiB in each of the two tables.
  uint64_t max_mappings = uint64_t{1} << 20;
  // The answer of the session before, if there was one.
  std::optional<vhost::ShmemConfigReply> previous_config;
};

// Where the parts of a tracker publish. A value of two references; both outlive it.
class EventWriter {
 public:
  EventWriter(state::EventSink& sink, const TrackerOptions& options) : sink_(sink), options_(options) {}

  void Publish(const state::EventBody& body) const { sink_.Publish(body); }
  void Raise(state::FindingCode code, const state::EvidenceList& evidence = {},
             int16_t shmid = state::kWholeBackend) const {
    sink_.Publish(state::FindingRaised{code, shmid, evidence});
  }
  // Nothing is published if it is not open.
  void Close(state::FindingCode code) const {
    const auto& findings = sink_.table().findings();
    const auto found = findings.find({state::kWholeBackend, code});
    if (found != findings.end() && found->second.open)
      sink_.Publish(state::FindingClosed{code, state::kWholeBackend});
  }
  // Whether the finding is among those that the guard raises now; see guard_rules.h.
  bool Guards(state::FindingCode code) const;

  const state::Backend& table() const { return sink_.table(); }
  const TrackerOptions& options() const { return options_; }

 private:
  state::EventSink& sink_;
  const TrackerOptions& options_;
};

}  // namespace shmemd::session
