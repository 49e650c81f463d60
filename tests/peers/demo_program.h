// What the demo programs' mains share.
#pragma once

#include <sys/signalfd.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <string_view>

#include "tests/peers/fd.h"

namespace shmemd::peers {

// SIGTERM and SIGINT become readable, for the loop to see.
inline Fd StopSignals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  return Fd(::signalfd(-1, &signals, SFD_CLOEXEC));
}

// One line of a catalogue: the name in a column, then what it is.
inline std::string CatalogueLine(std::string_view name, std::string_view what) {
  constexpr size_t kNameColumn = 24;
  std::string line(name);
  line.resize(std::max(kNameColumn, line.size() + 1), ' ');
  line.insert(0, "  ");
  line += what;
  line += '\n';
  return line;
}

}  // namespace shmemd::peers
