#include "server/api/call_rate.h"

#include <algorithm>

namespace shmemd::api {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

}  // namespace

int64_t CallRate::Take(const std::string& caller, int64_t now_ns) {
  const int64_t cost_ns = std::max<int64_t>(kSecondNs / rate_, 1);
  base::MutexLock lock(mutex_);
  Bucket& bucket = Find(caller, now_ns);
  const int64_t empty_at_ns = std::max(bucket.empty_at_ns, now_ns) + cost_ns;
  const int64_t late_ns = empty_at_ns - (now_ns + kSecondNs);
  if (late_ns > 0) return late_ns;
  bucket.empty_at_ns = empty_at_ns;
  return 0;
}

CallRate::Bucket& CallRate::Find(const std::string& caller, int64_t now_ns) {
  const auto found = buckets_.find(caller);
  if (found != buckets_.end()) return found->second;
  if (buckets_.size() >= max_callers_ && now_ns >= swept_ns_ + kSecondNs) {
    swept_ns_ = now_ns;
    for (auto it = buckets_.begin(); it != buckets_.end();) {
      const auto next = std::next(it);
      if (it->second.empty_at_ns <= now_ns) buckets_.erase(it);
      it = next;
    }
  }
  return buckets_.size() < max_callers_ ? buckets_[caller] : shared_;
}

}  // namespace shmemd::api
