#include "client/backoff.h"

#include <algorithm>

namespace shmemd::client {

Backoff::Backoff(Milliseconds least, Milliseconds most)
    : least_(std::max(least, Milliseconds(1))),
      most_(std::max(most, least_)),
      step_(least_),
      random_(std::random_device()()) {}

int64_t Backoff::Random(int64_t from, int64_t to) {
  return std::uniform_int_distribution<int64_t>(from, std::max(from, to))(random_);
}

Backoff::Milliseconds Backoff::Next(std::optional<Milliseconds> asked) {
  const Milliseconds wait(Random(step_.count() / 2, step_.count()));
  step_ = std::min(step_ * 2, most_);
  if (!asked || *asked < wait) return wait;
  return Milliseconds(Random(asked->count(), asked->count() + asked->count() / 10));
}

}  // namespace shmemd::client
