// Findings as text. Pure functions.
#pragma once

#include <string>

#include "client/print/answered.h"
#include "client/print/table.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// The table of `shmemctl findings`. `with_closed`: there may be closed ones among them, so each says whether
// it is open.
std::string RenderFindings(const AnsweredList<::vhost::shmem::v1::ListFindingsResponse>& answers,
                           const PrintStyle& style, bool with_closed);
inline std::string RenderFindings(const ::vhost::shmem::v1::ListFindingsResponse& findings,
                                  const PrintStyle& style, bool with_closed) {
  return RenderFindings(OnlyAnswer(findings), style, with_closed);
}

// The severity in its colour.
Cell SeverityCell(::vhost::shmem::v1::Finding::Severity severity);
// "length=0x4000 size=4096".
std::string EvidenceText(const ::vhost::shmem::v1::Finding& finding);

}  // namespace shmemd::client
