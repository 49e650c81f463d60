#include "server/state/event_log.h"

#include <gtest/gtest.h>

namespace shmemd::state {
namespace {

LogEntry Entry(uint64_t revision, LogKind kind = LogKind::kEvent) {
  LogEntry entry;
  entry.revision = revision;
  entry.kind = kind;
  return entry;
}

TEST(EventLog, KeepsTheLastInOrder) {
  EventLog log(3);
  EXPECT_EQ(log.After(0), 0U);
  for (uint64_t revision : {2, 3, 5, 8, 13}) log.Add(Entry(revision));
  ASSERT_EQ(log.size(), 3U);
  EXPECT_EQ(log.at(0).revision, 5U);
  EXPECT_EQ(log.at(2).revision, 13U);
  EXPECT_EQ(log.After(4), 0U);
  EXPECT_EQ(log.After(5), 1U);
  EXPECT_EQ(log.After(7), 1U);
  EXPECT_EQ(log.After(13), 3U);
}

TEST(EventLog, KnowsSinceWhenItIsComplete) {
  EventLog log(2);
  log.Add(Entry(4));
  EXPECT_EQ(log.complete_since(), 0U);
  log.Add(Entry(5));
  log.Add(Entry(9));
  EXPECT_EQ(log.complete_since(), 4U);
  log.Add(Entry(10, LogKind::kLost));
  EXPECT_EQ(log.complete_since(), 10U);
  LogEntry many = Entry(12);
  many.changes.too_many = true;
  log.Add(many);
  EXPECT_EQ(log.complete_since(), 12U);
  log.Add(Entry(13));
  EXPECT_EQ(log.complete_since(), 12U);
}

TEST(EventLog, EveryLogHasNumbersOfItsOwn) { EXPECT_NE(EventLog(1).epoch(), EventLog(1).epoch()); }

TEST(EventLog, TrafficCountsAreNotWorthAnEntry) {
  EXPECT_FALSE(IsLogged(TrafficCounted{}));
  EXPECT_FALSE(IsLogged(ForwardsTimed{}));
  EXPECT_TRUE(IsLogged(MapSettled{}));
}

}  // namespace
}  // namespace shmemd::state
