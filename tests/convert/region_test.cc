#include "server/convert/region.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fcntl.h>

#include <limits>

namespace shmemd::convert {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

RegionRecord Record() {
  RegionRecord record;
  record.backend_id = "fs0";
  record.status.shmid = 0;
  record.status.reported = true;
  record.status.size_bytes = 0x10000;
  record.size_known = true;
  record.free_bytes = 0x10000;
  record.largest_hole_bytes = 0x10000;
  record.hole_count = 1;
  record.page_size = 4096;
  return record;
}

TEST(RegionTest, ZerosAreSetWhereTheyAreKnown) {
  const v1::Region region = ToProto(Record());
  EXPECT_EQ(region.name(), "backends/fs0/regions/0");
  ASSERT_TRUE(region.has_shmid());
  EXPECT_EQ(region.shmid(), 0);
  EXPECT_EQ(region.size_bytes(), 0x10000);
  ASSERT_TRUE(region.has_mapped_bytes());
  EXPECT_EQ(region.mapped_bytes(), 0);
  EXPECT_TRUE(region.has_assumed_bytes());
  EXPECT_TRUE(region.has_stale_bytes());
  EXPECT_TRUE(region.has_writable_mapped_bytes());
  EXPECT_TRUE(region.has_peak_mapped_bytes());
  EXPECT_TRUE(region.has_at_risk_bytes());
  EXPECT_TRUE(region.has_mapping_count());
  EXPECT_TRUE(region.has_map_request_count());
  EXPECT_TRUE(region.has_map_failure_count());
  EXPECT_TRUE(region.has_unmap_request_count());
  EXPECT_TRUE(region.has_unmap_failure_count());
  EXPECT_TRUE(region.has_map_bytes_total());
  EXPECT_EQ(region.free_bytes(), 0x10000);
  EXPECT_EQ(region.free_extent_count(), 1);
  EXPECT_EQ(region.host_page_size_bytes(), 4096);
}

TEST(RegionTest, AnUnknownSizeLeavesSizeAndHolesUnset) {
  RegionRecord record = Record();
  record.status.reported = false;
  record.size_known = false;
  const v1::Region region = ToProto(record);
  EXPECT_FALSE(region.has_size_bytes());
  EXPECT_FALSE(region.has_free_bytes());
  EXPECT_FALSE(region.has_largest_free_extent_bytes());
  EXPECT_FALSE(region.has_free_extent_count());
  EXPECT_TRUE(region.has_mapped_bytes());
}

TEST(RegionTest, SizesOf2To63AndMoreAreTheLargestInt64) {
  RegionRecord record = Record();
  record.status.size_bytes = uint64_t{1} << 63;
  record.free_bytes = ~uint64_t{0};
  record.totals.mapped_bytes = ~uint64_t{0};
  const v1::Region region = ToProto(record);
  EXPECT_EQ(region.size_bytes(), kLargest);
  EXPECT_EQ(region.free_bytes(), kLargest);
  EXPECT_EQ(region.mapped_bytes(), kLargest);
}

TEST(RegionTest, FailuresOfAllReasonsAreAddedUp) {
  RegionRecord record = Record();
  record.status.counters.map_requests = 5;
  record.status.counters.map_failures[static_cast<int>(state::RequestFailure::kOverlap)] = 2;
  record.status.counters.map_failures[static_cast<int>(state::RequestFailure::kNoFd)] = 1;
  const v1::Region region = ToProto(record);
  EXPECT_EQ(region.map_request_count(), 5);
  EXPECT_EQ(region.map_failure_count(), 3);
}

MappingRecord AMapping() {
  MappingRecord record;
  record.backend_id = "fs0";
  record.mapping.shmid = 2;
  record.mapping.shm_offset = 0x10000;
  record.mapping.len = 0x4000;
  record.mapping.epoch = 3;
  record.mapping.sequence = 77;
  record.mapping.request_time_ns = 1'000'000'000;
  record.mapping.ack_latency_ns = 1500;
  return record;
}

TEST(MappingTest, AcknowledgedMappingHasItsTimes) {
  const v1::Mapping mapping = ToProto(AMapping());
  EXPECT_EQ(mapping.name(), "backends/fs0/regions/2/mappings/0x10000");
  EXPECT_EQ(mapping.uid(), "3-77");
  EXPECT_EQ(mapping.shm_offset_bytes(), 0x10000);
  EXPECT_EQ(mapping.length_bytes(), 0x4000);
  ASSERT_TRUE(mapping.has_fd_offset_bytes());
  EXPECT_EQ(mapping.state(), v1::Mapping::MAPPED);
  EXPECT_EQ(mapping.access(), v1::Mapping::READ_ONLY);
  EXPECT_EQ(mapping.ack_time().nanos(), 1500);
  EXPECT_EQ(mapping.ack_latency().nanos(), 1500);
  EXPECT_THAT(mapping.finding_codes(), IsEmpty());
}

TEST(MappingTest, AssumedMappingHasNoAnswer) {
  MappingRecord record = AMapping();
  record.mapping.state = state::MappingState::kAssumed;
  record.mapping.ack_latency_ns = -1;
  const v1::Mapping mapping = ToProto(record);
  EXPECT_EQ(mapping.state(), v1::Mapping::ASSUMED);
  EXPECT_FALSE(mapping.has_ack_time());
  EXPECT_FALSE(mapping.has_ack_latency());
}

TEST(MappingTest, WhatTheMemoryTableShowedComesAlong) {
  MappingRecord record = AMapping();
  EXPECT_EQ(ToProto(record).in_memory_table(), v1::Mapping::UNKNOWN);
  record.mapping.in_memory_table = state::InMemoryTable::kYes;
  EXPECT_EQ(ToProto(record).in_memory_table(), v1::Mapping::YES);
  record.mapping.in_memory_table = state::InMemoryTable::kNo;
  record.mapping.state = state::MappingState::kStale;
  EXPECT_EQ(ToProto(record).in_memory_table(), v1::Mapping::NO);
  EXPECT_EQ(ToProto(record).state(), v1::Mapping::STALE);
  EXPECT_TRUE(ToProto(record).has_ack_time()) << "it was acknowledged once";
}

TEST(MappingTest, FlagsAreKeptAsSentAndOddThingsAreNamed) {
  MappingRecord record = AMapping();
  record.mapping.flags = 0x8000000000000001;
  record.mapping.oddities = state::kOddBeyondEof | state::kOddUnknownFlags;
  const v1::Mapping mapping = ToProto(record);
  EXPECT_EQ(mapping.access(), v1::Mapping::READ_WRITE);
  EXPECT_EQ(mapping.raw_flags(), 0x8000000000000001);
  EXPECT_THAT(mapping.finding_codes(), ElementsAre("BEYOND_EOF", "MAP_UNKNOWN_FLAGS"));
}

TEST(BackingTest, SealsAreNamedWhereTheyAreKnown) {
  base::FdFacts fd;
  fd.kind = base::FdKind::kMemfd;
  fd.size_bytes = 0;
  fd.seals = F_SEAL_SHRINK | F_SEAL_GROW;
  EXPECT_THAT(ToProto(fd).seals(), IsEmpty());
  fd.seals_known = true;
  const v1::Backing backing = ToProto(fd);
  EXPECT_THAT(backing.seals(), ElementsAre("F_SEAL_SHRINK", "F_SEAL_GROW"));
  EXPECT_EQ(backing.kind(), v1::Backing::MEMFD);
  ASSERT_TRUE(backing.has_size_bytes());
  EXPECT_EQ(backing.size_bytes(), 0);
}

TEST(BackingTest, NothingKnownIsUnspecified) {
  const v1::Backing backing = ToProto(base::FdFacts{});
  EXPECT_EQ(backing.kind(), v1::Backing::KIND_UNSPECIFIED);
  EXPECT_EQ(backing.access(), v1::Backing::DESCRIPTOR_ACCESS_UNSPECIFIED);
  EXPECT_FALSE(backing.has_size_bytes());
}

}  // namespace
}  // namespace shmemd::convert
