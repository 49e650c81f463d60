// The catalogue of named ways in which a demo VMM can be wrong, each a change to a script that leaves the
// rest as it was. Tests go through the catalogue; the program lists it in --help.
#pragma once

#include <string_view>
#include <vector>

#include "tests/peers/vmm_script.h"

namespace shmemd::peers {

struct VmmMisbehaviour {
  std::string_view name;
  std::string_view what;  // one line for people
  void (*apply)(VmmScript& script);
};

const std::vector<VmmMisbehaviour>& AllVmmMisbehaviours();

// Null when there is none of that name.
const VmmMisbehaviour* FindVmmMisbehaviour(std::string_view name);

}  // namespace shmemd::peers
