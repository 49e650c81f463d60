// What all lists have in common: how a page is asked for, filled and continued.
//
// Pure functions, any thread.
#pragma once

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <grpcpp/support/status.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "server/api/errors.h"
#include "server/api/page.h"
#include "server/api/page_token.h"

namespace shmemd::api {

inline constexpr int kDefaultPageSize = 100;
inline constexpr int kMaxPageSize = 1000;
// A page ends early at this size, well below the 4 MiB that clients take by default.
inline constexpr size_t kMaxPageBytes = size_t{1} << 20;

inline grpc::Status Invalid(Reason reason, const absl::Status& status) {
  return Error(grpc::StatusCode::INVALID_ARGUMENT, reason, std::string(status.message()));
}

inline grpc::Status InvalidName(const absl::Status& status) {
  return Invalid(Reason::kResourceNameInvalid, status);
}

inline grpc::Status Negative(const char* field, Reason reason, int value) {
  return Error(grpc::StatusCode::INVALID_ARGUMENT, reason,
               absl::StrCat(field, ": expected 0 or more, got ", value));
}

// Asks for one item more than the page holds, to know whether there is another page.
template <typename Request>
grpc::Status ParseRange(const Request& request, const std::string& request_key, PageRange& range) {
  if (request.page_size() < 0) return Negative("page_size", Reason::kPageSizeInvalid, request.page_size());
  const int size = request.page_size() == 0 ? kDefaultPageSize : std::min(request.page_size(), kMaxPageSize);
  range.limit = static_cast<size_t>(size) + 1;
  if (request.page_token().empty()) return grpc::Status::OK;
  range.after = DecodePageToken(request_key, request.page_token());
  if (range.after) return grpc::Status::OK;
  return Error(grpc::StatusCode::INVALID_ARGUMENT, Reason::kPageTokenInvalid,
               "page_token is not one that this list returned for this request");
}

// Turns records into messages by `add`, which returns their bytes, until the page is full in items or in
// bytes. The token of the next page; empty: there is none.
template <typename Record, typename Key, typename Add>
std::string FillPage(const std::vector<Record>& records, const PageRange& range,
                     const std::string& request_key, const Key& key_of, const Add& add) {
  size_t bytes = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    if (i + 1 == range.limit || bytes > kMaxPageBytes)
      return EncodePageToken(request_key, key_of(records[i - 1]));
    bytes += add(records[i]);
  }
  return {};
}

template <typename Record, typename Add>
std::string FillPage(const std::vector<Record>& records, const PageRange& range,
                     const std::string& request_key, const Add& add) {
  return FillPage(
      records, range, request_key, [](const Record& record) { return KeyOf(record); }, add);
}

}  // namespace shmemd::api
