// Runs a string of bytes, random or a fuzzer's, as operations on a RegionTable and on a ByteModel, and says
// where they differ.
#pragma once

#include <absl/strings/str_cat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "tests/state/byte_model.h"

namespace shmemd::state {

class TableScript {
 public:
  // `check_every` steps everything is compared.
  TableScript(std::span<const uint8_t> bytes, uint64_t base, size_t check_every)
      : bytes_(bytes), base_(base), check_every_(check_every), model_(base) {}

  // Empty if table and model agreed to the end.
  std::string Run() {
    while (at_ < bytes_.size()) {
      if (!Step()) return absl::StrCat("step ", steps_, ": outcome");
      ++steps_;
      most_mappings_ = std::max(most_mappings_, table_.totals().mapping_count);
      if (steps_ % check_every_ != 0 && at_ < bytes_.size()) continue;
      if (const std::string difference = model_.Difference(table_); !difference.empty()) {
        return absl::StrCat("step ", steps_, ": ", difference);
      }
    }
    return {};
  }
  size_t steps() const { return steps_; }
  uint64_t most_mappings() const { return most_mappings_; }

 private:
  uint8_t Byte() { return at_ < bytes_.size() ? bytes_[at_++] : uint8_t{0}; }
  uint64_t Offset() {
    const uint64_t high = Byte();
    return base_ + (high << 8U | Byte()) % (ByteModel::kBytes + 1);
  }
  // Mostly a few bytes, so that hundreds of mappings fit; now and then a long one, or one that wraps. Nothing
  // may lie beyond the model, so long ones end with it unless that is the end of the address space.
  uint64_t Len(uint64_t shm_offset) {
    const uint8_t kind = Byte();
    const uint64_t room = base_ + ByteModel::kBytes - shm_offset;
    const uint64_t len = kind < 250 ? kind % 9U : kind < 254 ? uint64_t{Byte()} * 4 : UINT64_MAX - Byte();
    return base_ == ByteModel::kTopBase ? len : std::min(len, room);
  }

  Mapping RandomMapping() {
    Mapping mapping;
    mapping.shm_offset = Offset();
    mapping.len = Len(mapping.shm_offset);
    const uint8_t look = Byte();
    mapping.fd_offset = (look & 1) != 0 ? UINT64_MAX - Byte() : uint64_t{Byte()};
    mapping.flags = (look & 2) != 0 ? 1 : (look & 4) != 0 ? uint64_t{0xff00000000000000} : 0;
    mapping.fd.inode = look & 3U;
    mapping.fd.kind = base::FdKind::kMemfd;
    mapping.fd.size_bytes = (look & 8) != 0 ? int64_t{64} : (look & 16) != 0 ? INT64_MAX : -1;
    mapping.state = static_cast<MappingState>(look % 3U);
    mapping.ack_latency_ns = (look & 32) != 0 ? -1 : (look & 64) != 0 ? int64_t{1} << 40U : int64_t{1000};
    mapping.request_time_ns = static_cast<int64_t>(steps_);
    mapping.sequence = steps_ + 1;
    mapping.epoch = look;
    mapping.oddities = OdditiesOf(mapping, 4096);
    return mapping;
  }

  bool Step() {
    const uint8_t op = Byte();
    // Filling and draining take turns, so that leaves split and merge.
    const bool filling = (steps_ / 2000) % 2 == 0;
    if (op < (filling ? 170 : 70)) {
      const Mapping mapping = RandomMapping();
      return table_.Insert(mapping) == model_.Insert(mapping);
    }
    if (op < 246) {
      const uint64_t offset = Offset();
      const uint64_t len = Len(offset);
      return table_.Erase(offset, len) == model_.Erase(offset, len);
    }
    if (op < 253) {
      SetSize();
    } else if (op == 253) {
      table_.MarkAllStale();
      model_.MarkAllStale();
    } else if (op == 254 && Byte() < 16) {
      table_.Clear();
      model_.Clear();
    } else if (op == 255) {
      EraseExactly();
    }
    return true;
  }

  void SetSize() {
    const uint8_t kind = Byte();
    std::optional<uint64_t> size;
    if (kind < 200) size = Offset();
    if (kind >= 240) size = UINT64_MAX;
    table_.SetSize(size);
    model_.SetSize(size);
  }

  void EraseExactly() {
    const std::optional<Mapping> mapping = table_.Find(Offset());
    if (!mapping) return;
    table_.Erase(mapping->shm_offset, mapping->len);
    model_.Erase(mapping->shm_offset, mapping->len);
  }

  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  uint64_t base_;
  size_t check_every_;
  size_t steps_ = 0;
  uint64_t most_mappings_ = 0;
  BackingPool pool_;
  RegionTable table_{pool_};
  ByteModel model_;
};

}  // namespace shmemd::state
