// The files of assets/, as they are in the tree; CMake makes the definitions.
#pragma once

#include <string_view>

namespace shmemd::web {

extern const std::string_view kPageCss;
extern const std::string_view kPageJs;
extern const std::string_view kIconSvg;

}  // namespace shmemd::web
