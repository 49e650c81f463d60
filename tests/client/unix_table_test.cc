#include "client/shmemctl/unix_table.h"

#include <gtest/gtest.h>

namespace shmemd::shmemctl {
namespace {

constexpr char kTable[] =
    "Num       RefCount Protocol Flags    Type St Inode Path\n"
    "0000000000000000: 00000002 00000000 00010000 0001 01 23456 /run/gpu0.sock\n"
    "0000000000000000: 00000003 00000000 00000000 0001 03 23457 /run/gpu0.sock\n"
    "0000000000000000: 00000003 00000000 00000000 0001 03 23458 /run/gpu0.sock\n"
    "0000000000000000: 00000003 00000000 00000000 0001 03     9\n"
    "0000000000000000: 00000003 00000000 00000000 0001 03 23459 /run/with a blank.sock\n"
    "0000000000000000: 00000003 00000000 00000000 0001 03 23460 /run/gpu0.sock2\n"
    "torn line";

TEST(UnixTable, CountsAcceptedConnectionsOnly) {
  EXPECT_EQ(ConnectionsAt(kTable, "/run/gpu0.sock"), 2);
  EXPECT_EQ(ConnectionsAt(kTable, "/run/with a blank.sock"), 1);
  EXPECT_EQ(ConnectionsAt(kTable, "/run/gpu"), 0);
  EXPECT_EQ(ConnectionsAt("", "/run/gpu0.sock"), 0);
}

}  // namespace
}  // namespace shmemd::shmemctl
