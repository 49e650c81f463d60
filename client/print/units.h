// Numbers as people read them: sizes with their unit, offsets in hexadecimal, shares, times. Pure functions.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>

namespace shmemd::client {

// "512 B", "4.0 KiB", "12.5 GiB", "64 MiB": powers of 1024, the unit always there. `plain`: the number alone.
std::string FormatBytes(int64_t bytes, bool plain = false);

// "0x40000000". A negative number is printed as its 64 bits.
std::string FormatHex(int64_t value);

// The share of `part` in `whole`, rounded down: "30 %", "<1 %" for more than nothing. "-" when whole is not
// positive.
std::string FormatShare(int64_t part, int64_t whole);

// "2026-03-01T12:00:00Z" in UTC, whole seconds.
std::string FormatTime(const google::protobuf::Timestamp& time);

// "850 ns", "12 us", "3.4 ms", "1.5 s".
std::string FormatDuration(const google::protobuf::Duration& duration);

}  // namespace shmemd::client
