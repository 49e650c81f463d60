// The part of the catalogue that shows on the back-end channel: steps that no good back-end would take.
#pragma once

#include <vector>

#include "tests/peers/misbehaviour.h"

namespace shmemd::peers {

const std::vector<Misbehaviour>& RequestMisbehaviours();

}  // namespace shmemd::peers
