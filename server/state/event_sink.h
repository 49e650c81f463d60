// Where a conversation's events go, and the table that they have made so far.
//
// Given to those who make events; used on the thread of the mover.
#pragma once

#include "server/state/backend.h"
#include "server/state/event.h"

namespace shmemd::state {

class EventSink {
 public:
  virtual ~EventSink() = default;

  // Applied before it returns. Never waits, never fails.
  virtual void Publish(const EventBody& body) = 0;
  // The back-end as it is after all events so far.
  virtual const Backend& table() const = 0;
};

}  // namespace shmemd::state
