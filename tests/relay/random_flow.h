// Random messages over one direction of a relayed channel, checked byte by byte and descriptor by descriptor
// at its other end.
//
// Everything follows from a seed: the same seed gives the same messages, cuts and pauses. Used on the test's
// thread; no call waits.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "server/base/unique_fd.h"
#include "server/vhost/protocol.h"
#include "tests/relay/relayed_channel.h"

namespace shmemd::relay {

// splitmix64: small, fast, the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  uint64_t Below(uint64_t limit) { return Next() % limit; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  template <typename T>
  const T& OneOf(const std::vector<T>& values) {
    return values[Below(values.size())];
  }

 private:
  uint64_t state_;
};

// Files whose descriptors are sent, told apart by inode.
class RandomFiles {
 public:
  RandomFiles();
  size_t size() const { return files_.size(); }
  int fd(size_t i) const { return files_[i].get(); }
  uint64_t inode(size_t i) const { return inodes_[i]; }

 private:
  std::vector<base::UniqueFd> files_;
  std::vector<uint64_t> inodes_;
};

// The messages of one direction, one after the other.
class MessageStream {
 public:
  struct Next {
    Bytes bytes;
    std::vector<size_t> files;
  };

  MessageStream(uint64_t seed, vhost::Channel channel, size_t file_count);
  // Any id that is known on the channel, any flags, 0 to 4096 bytes of payload and now and then much more,
  // mostly no descriptor, else up to 3 and now and then as many as there can be.
  Next Make();

 private:
  size_t PayloadBytes();
  size_t FdCount();

  Random random_;
  const vhost::Channel channel_;
  const size_t file_count_;
  uint64_t number_ = 0;
};

class RandomFlow {
 public:
  struct Ends {
    int writer = -1;  // borrowed
    int reader = -1;
  };

  RandomFlow(uint64_t seed, vhost::Channel channel, Ends ends, const RandomFiles& files, uint64_t count);

  // One write: a part of a message, a message, or several with the border anywhere. Does nothing while it
  // pauses or the socket is full. False when its peer is gone.
  bool Write();
  // One read of at most what is left of a header or payload. Does nothing while it pauses or nothing is
  // there. False at the end of the stream, and after what was wrong.
  bool Read();

  bool all_written() const { return made_ == count_ && written_ == out_.size(); }
  bool done() const { return read_ == count_; }
  uint64_t messages_read() const { return read_; }
  uint64_t bytes_written() const { return bytes_written_; }
  uint64_t bytes_read() const { return bytes_read_; }
  // What arrived that was not sent, or not so; empty: nothing.
  const std::string& wrong() const { return wrong_; }
  // The peer saw an end (0) or an error, in the middle of a message or not.
  bool ended() const { return ended_; }
  int end_error() const { return end_error_; }

 private:
  struct Start {
    size_t offset = 0;
    std::vector<size_t> files;
  };

  void MakeMore();
  size_t WriteBytes();
  bool Pauses(uint64_t& pause);
  void CheckBytes(const Bytes& got, const std::vector<base::UniqueFd>& fds);
  void Wrong(const std::string& what);

  MessageStream sent_;
  MessageStream expected_stream_;
  Random random_;
  const Ends ends_;
  const RandomFiles& files_;
  const uint64_t count_;

  uint64_t bytes_written_ = 0;
  uint64_t bytes_read_ = 0;
  uint64_t made_ = 0;
  Bytes out_;  // messages that are to be written, one behind the other
  size_t written_ = 0;
  std::deque<Start> starts_;  // of those with descriptors, from `written_` on
  std::vector<size_t> ends_of_messages_;
  uint64_t write_pause_ = 0;

  uint64_t read_ = 0;
  MessageStream::Next expected_;
  size_t got_ = 0;  // of the expected message
  uint64_t read_pause_ = 0;
  bool ended_ = false;
  int end_error_ = 0;
  std::string wrong_;
};

}  // namespace shmemd::relay
