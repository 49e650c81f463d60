// The front page: what needs attention, every back-end with its regions as address-space maps, what happened
// lately. A pure function.
#pragma once

#include <string>

#include "server/web/overview.h"
#include "server/web/parts.h"

namespace shmemd::web {

// Whole HTML document; its size is bounded by that of the overview.
std::string OverviewPage(const Overview& overview, const PageFrame& frame);

}  // namespace shmemd::web
