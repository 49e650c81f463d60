// Regions as text. Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "client/print/answered.h"
#include "client/print/table.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// The share of a region that is mapped: from 90 % on yellow, when it is full red.
Cell UsedCell(int64_t mapped, int64_t size);

// The table of `shmemctl regions`.
std::string RenderRegions(const AnsweredList<::vhost::shmem::v1::ListRegionsResponse>& answers,
                          const PrintStyle& style);
inline std::string RenderRegions(const ::vhost::shmem::v1::ListRegionsResponse& regions,
                                 const PrintStyle& style) {
  return RenderRegions(OnlyAnswer(regions), style);
}

}  // namespace shmemd::client
