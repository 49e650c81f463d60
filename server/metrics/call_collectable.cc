#include "server/metrics/call_collectable.h"

#include <array>
#include <string_view>

#include "server/metrics/samples.h"

namespace shmemd::metrics {
namespace {

constexpr std::array<std::string_view, feed::kCallCodeCount> kCodeNames = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

std::string_view KindName(feed::CallKind kind) {
  switch (kind) {
    case feed::CallKind::kUnary:
      return "unary";
    case feed::CallKind::kClientStream:
      return "client_stream";
    case feed::CallKind::kServerStream:
      return "server_stream";
    case feed::CallKind::kBidiStream:
      return "bidi_stream";
  }
  return "";
}

void AddMethod(Samples& samples, const feed::CallMethod& method, const feed::CallCounts& counts) {
  const std::string_view kind = KindName(method.kind);
  uint64_t calls = 0;
  for (size_t code = 0; code < counts.handled.size(); ++code) {
    calls += counts.handled[code];
    if (counts.handled[code] == 0 && code != 0) continue;
    samples.Add(Metric::kGrpcHandled, {kind, method.service, method.name, kCodeNames[code]},
                static_cast<double>(counts.handled[code]));
  }
  if (calls == 0) return;
  samples.Add(Metric::kGrpcHandling, {kind, method.service, method.name}, counts.durations);
}

}  // namespace

std::vector<prometheus::MetricFamily> CallCollectable::Collect() const {
  Samples samples;
  for (size_t i = 0; stats_ != nullptr && i < stats_->methods().size(); ++i) {
    AddMethod(samples, stats_->methods()[i], stats_->Read(i));
  }
  return samples.TakeFamilies();
}

}  // namespace shmemd::metrics
