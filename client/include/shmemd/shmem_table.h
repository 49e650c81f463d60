// Back-ends, regions and mappings by name, as a stream of Watch tells them. A value; no threads of its own,
// so whoever shares one sees to the locking (Replica does).
#pragma once

#include <map>
#include <string>

#include "vhost/shmem/v1/watch.pb.h"

namespace shmemd::client {

namespace v1 = ::vhost::shmem::v1;

class ShmemTable {
 public:
  template <typename Item>
  using ByName = std::map<std::string, Item>;

  const ByName<v1::Backend>& backends() const { return backends_; }
  const ByName<v1::Region>& regions() const { return regions_; }
  const ByName<v1::Mapping>& mappings() const { return mappings_; }

  // What an answer of the stream says: Clear at a SnapshotBegin, Add of a Snapshot, Apply of a Change. The
  // table is what shmemd shows when the answer is, or comes after, a Synced.
  void Take(const v1::WatchResponse& response);
  void Clear();
  void Add(const v1::Snapshot& part);
  void Apply(const v1::Change& change);

  void Put(const v1::Backend& item) { backends_[item.name()] = item; }
  void Put(const v1::Region& item) { regions_[item.name()] = item; }
  void Put(const v1::Mapping& item) { mappings_[item.name()] = item; }

 private:
  ByName<v1::Backend> backends_;
  ByName<v1::Region> regions_;
  ByName<v1::Mapping> mappings_;
};

}  // namespace shmemd::client
