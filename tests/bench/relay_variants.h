// What may lie between the two ends of the benchmark. Each variant keeps its processes until the program
// ends; all of them live at once and take turns, so that each round gives ratios that a drifting machine
// cannot bend.
#pragma once

#include <string>
#include <vector>

#include "tests/peers/fd.h"

namespace shmemd::bench {

struct Variant {
  std::string name;
  std::string what;  // one line for people
  peers::Fd device;  // the back-end's end of its channel; answers come from a process at the other end
};

struct Variants {
  std::vector<Variant> all;
  std::vector<peers::Fd> kept;  // both ends of main channels, so that sessions live on
};

// direct, epoll, pump, tracker, shmemd: in this order. Ends the program when one cannot be set up. With
// `is_pinned`, everything runs on the first core.
Variants StartVariants(bool is_pinned);

// The relays of the product; each runs in a process of its own and never returns.
[[noreturn]] void RunPump(int frontend, int backend);
[[noreturn]] void RunTracker(int frontend_main, int backend_main);
// Listens at `frontend_path`, connects to `backend_path`.
[[noreturn]] void RunShmemd(const std::string& frontend_path, const std::string& backend_path);

}  // namespace shmemd::bench
