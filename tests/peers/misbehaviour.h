// The catalogue of named ways in which a demo back-end can be wrong, or right but rare. Each is a change to a
// script that leaves the rest of the back-end as it was. Tests go through the catalogue; the program lists it
// in --help.
#pragma once

#include <string_view>
#include <vector>

#include "tests/peers/script.h"

namespace shmemd::peers {

struct Misbehaviour {
  // Where a front-end meets it.
  enum class Seen { kOffer, kConfigReply, kBackendChannel };
  std::string_view name;
  Seen seen;
  std::string_view what;  // one line for people
  void (*apply)(Script& script);
};

// In the order of their list; the same for the life of the process.
const std::vector<Misbehaviour>& AllMisbehaviours();

// Null when there is none of that name.
const Misbehaviour* FindMisbehaviour(std::string_view name);

// Puts `steps` behind those that a script runs once: before its first endless repeat, else at its end.
void InsertSteps(Script& script, const std::vector<Step>& steps);

// The default script with one misbehaviour. The name must be in the catalogue.
Script MisbehavingScript(std::string_view name);

}  // namespace shmemd::peers
