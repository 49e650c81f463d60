// The page of one region: its map, large, its numbers, findings, and its mappings as a table. A pure
// function.
#pragma once

#include <string>

#include "server/web/overview.h"
#include "server/web/parts.h"

namespace shmemd::web {

// Whole HTML document; its size is bounded by that of the detail.
std::string RegionPage(const RegionDetail& detail, const PageFrame& frame);

}  // namespace shmemd::web
