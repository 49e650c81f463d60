// Regions as text. Pure functions.
#pragma once

#include <string>

#include "client/print/answered.h"
#include "client/print/table.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// The table of `shmemctl regions`.
std::string RenderRegions(const AnsweredList<::vhost::shmem::v1::ListRegionsResponse>& answers, const PrintStyle& style);
inline std::string RenderRegions(const ::vhost::shmem::v1::ListRegionsResponse& regions, const PrintStyle& style) {
  return RenderRegions(OnlyAnswer(regions), style);
}

}  // namespace shmemd::client
