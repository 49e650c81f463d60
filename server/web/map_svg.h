// A region's address space as SVG, in two sizes. The patterns that they are filled with stand once in each
// page. Pure functions.
#pragma once

#include <string>

#include "server/web/overview.h"

namespace shmemd::web {

// The definitions that both sizes refer to. No two paints differ by colour alone.
std::string MapPatterns();

// Large: a rectangle for each segment, with its words as a tooltip; below it the offsets.
std::string LargeMap(const RegionView& region);
// Small: one path for each paint.
std::string SmallMap(const RegionView& region);
// A sample of each paint with its name, in a line.
std::string MapKey();
// The same with what they mean.
std::string MapLegend();

// What the picture shows, for those who cannot see it.
std::string MapWords(const RegionView& region);
// "1 MiB at 0x100000, read-write, MAPPED, memfd ..." for people.
std::string SegmentWords(const Segment& segment);
const char* BackingWords(base::FdKind kind);

}  // namespace shmemd::web
