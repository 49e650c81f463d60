// Back-ends as text: what is attached, what was agreed on, what was really sent. Pure functions.
#pragma once

#include <string>

#include "client/print/answered.h"
#include "client/print/table.h"
#include "vhost/shmem/v1/backend.pb.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// The table of `shmemctl backends`.
std::string RenderBackends(const AnsweredList<::vhost::shmem::v1::ListBackendsResponse>& answers,
                           const PrintStyle& style);
inline std::string RenderBackends(const ::vhost::shmem::v1::ListBackendsResponse& backends,
                                  const PrintStyle& style) {
  return RenderBackends(OnlyAnswer(backends), style);
}

// What `shmemctl features` prints: what matters for SHMEM, then each protocol feature offered and
// acknowledged.
std::string RenderFeatures(const ::vhost::shmem::v1::Features& features, const PrintStyle& style);

// "num_regions 2 (count), reply 2056 B": the reply to GET_SHMEM_CONFIG in one line, and what is odd about it.
std::string DescribeConfig(const ::vhost::shmem::v1::ShmemConfig& config);

// Why the back-end is in its state, or why an active one cannot be followed. Empty where there is nothing to
// explain.
std::string DescribeState(const ::vhost::shmem::v1::Backend& backend);

// A line for each back-end of what it sent, as above, and of why nothing may be seen of it.
std::string RenderConfigs(const ::vhost::shmem::v1::ListBackendsResponse& backends, const PrintStyle& style);

}  // namespace shmemd::client
