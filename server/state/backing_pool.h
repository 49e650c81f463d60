// The facts of files, each kept once however many mappings show it. A mapping holds a 32-bit id instead of
// them.
//
// Owned by a Backend, used by its region tables. Not thread-safe. Memory: about 50 bytes for each distinct
// file.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/base/fd_facts.h"

namespace shmemd::state {

class BackingPool {
 public:
  using Id = uint32_t;

  BackingPool();
  BackingPool(const BackingPool&) = delete;
  BackingPool& operator=(const BackingPool&) = delete;

  // The id of equal facts, with one reference for the caller; given back by Release.
  Id Intern(const base::FdFacts& facts);
  void Release(Id id);
  // `id` is held by someone. The reference is valid until the next Intern.
  const base::FdFacts& Get(Id id) const { return slots_[id].facts; }
  // How many distinct facts are held.
  size_t size() const { return ids_.size(); }

 private:
  struct Slot {
    base::FdFacts facts;
    uint32_t reference_count = 0;
  };
  // The set holds ids only and looks the facts up in `slots_`, so that they are not stored twice.
  struct Hash {
    using is_transparent = void;
    const std::vector<Slot>* slots;
    size_t operator()(const base::FdFacts& facts) const;
    size_t operator()(Id id) const { return (*this)((*slots)[id].facts); }
  };
  struct Equal {
    using is_transparent = void;
    const std::vector<Slot>* slots;
    bool operator()(Id left, Id right) const { return left == right; }
    bool operator()(Id left, const base::FdFacts& right) const { return (*slots)[left].facts == right; }
    bool operator()(const base::FdFacts& left, Id right) const { return (*slots)[right].facts == left; }
  };

  std::vector<Slot> slots_;
  std::vector<Id> free_;
  absl::flat_hash_set<Id, Hash, Equal> ids_;
};

}  // namespace shmemd::state
