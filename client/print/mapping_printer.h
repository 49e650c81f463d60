// Mappings as text. Pure functions.
#pragma once

#include <string>

#include "client/print/answered.h"
#include "client/print/table.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// The table of `shmemctl mappings`.
std::string RenderMappings(const AnsweredList<::vhost::shmem::v1::ListMappingsResponse>& answers,
                           const PrintStyle& style);
inline std::string RenderMappings(const ::vhost::shmem::v1::ListMappingsResponse& mappings,
                                  const PrintStyle& style) {
  return RenderMappings(OnlyAnswer(mappings), style);
}

// A line for each mapping of one region, indented, without headers: offset, length, access, backing, what is
// odd.
std::string RenderMappingLines(const ::vhost::shmem::v1::ListMappingsResponse& mappings,
                               const PrintStyle& style);

// What `shmemctl lookup` says: the mapping, and where in its file the offset is.
std::string RenderLookup(const ::vhost::shmem::v1::LookupMappingResponse& found, const PrintStyle& style);

// "memfd ino 1034", "file 8:1 ino 77".
std::string DescribeBacking(const ::vhost::shmem::v1::Backing& backing);

}  // namespace shmemd::client
