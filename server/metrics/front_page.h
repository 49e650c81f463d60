// What a person sees who opens the metrics port in a browser: back-ends, regions, links. Plain HTML, no
// script.
#pragma once

#include <string>
#include <string_view>

#include "server/feed/hub.h"

namespace shmemd::metrics {

std::string FrontPageHtml(const feed::Hub& hub, std::string_view version);

}  // namespace shmemd::metrics
